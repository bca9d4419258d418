"""The Helm chart, rendered by Helm's own engine and held against the schemas of Kubernetes."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml
from django.conf import settings

CHART = settings.BASE_DIR / "deploy" / "helm" / "sidecoach"
PROFILES = ("saas", "connected-onprem", "airgapped")
VERSIONS = ("1.28", "1.33", "1.37")
ADDRESS = re.compile(r"[a-z]+://([A-Za-z0-9.:@_-]+)")
INSIDE = re.compile(r"^([a-z0-9-]+(\.[a-z0-9-]+(\.svc(\.cluster\.local)?)?)?)(:\d+)?$")
REGISTRY = "registry.sidecoach.svc.cluster.local:5000/"


def profile(name: str, **more: Any) -> dict[str, Any]:
    values = yaml.safe_load((CHART / f"values-{name}.yaml").read_text())
    return merged(values, more)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(dict(one))
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = merged(made[key], value) if both else value
    return made


def render(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    chart = helm_python.Chart.load(str(CHART))
    files = chart.render(dict(values), name="coach", namespace="sidecoach")
    return [each for text in files.values() for each in yaml.safe_load_all(text) if each]


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec:
            yield each["metadata"]["name"], spec["template"]["spec"]


def containers(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for _, pod in pods(objects):
        for each in [*pod.get("initContainers", []), *pod["containers"]]:
            yield pod, each


ODD: dict[str, dict[str, Any]] = {
    "nothing beside": {"triton": {"enabled": False}, "vllm": {"enabled": False},
                       "redis": {"enabled": False}},
    "no gpu": {"triton": {"device": "cpu"}, "vllm": {"gpus": 0}},
    "digests": {"image": {"digest": "sha256:" + "0" * 64, "tag": ""}},
    "many hosts": {"hosts": ["a.example.org", "b.example.org", "c.example.org"]},
    "settings": {"env": {"NUDGE_MS": 500, "LOG_LEVEL": "DEBUG", "LLM_STRUCTURED": False,
                         "CRISIS_CARDS": "/data/a: b # c"}},
    "telemetry": {"telemetry": {"endpoint": "http://collector.observability.svc:4318"}},
    "queue": {"autoscaling": {"roads": {"enabled": True}, "minReplicas": 30, "maxReplicas": 3}},
    "pull secrets": {"image": {"pullSecrets": ["one", "two"]}},
    "addresses": {"database": {"cidrs": ["10.1.0.0/16", "fd00::/8"]}},
}  # fmt: skip


@pytest.mark.parametrize("odd", ["", *ODD])
@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_renders_and_fits_kubernetes_also_with_odd_values(name, odd):
    objects = render(profile(name, **ODD.get(odd, {})))
    assert len(objects) >= 9
    for version in VERSIONS if not odd else VERSIONS[1:2]:
        for each in objects:
            kubernetes_validate.validate(each, version, strict=True)
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", PROFILES)
def test_no_container_runs_as_root_or_writes_to_its_own_files(name):
    found = list(containers(render(profile(name))))
    assert len(found) >= 4
    for pod, container in found:
        assert pod["securityContext"]["runAsUser"] == 1001
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["runAsNonRoot"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", PROFILES)
def test_what_serves_says_when_it_is_ready_and_alive(name):
    for object_name, pod in pods(render(profile(name))):
        if "purge" in object_name or "migrate" in object_name:
            continue
        for container in pod["containers"]:
            if container["name"] == "vllm":
                # It listens on loopback; the proxy beside it asks for its health.
                continue
            assert {"readinessProbe", "livenessProbe"} <= container.keys()


def test_airgapped_names_no_address_outside_and_opens_no_way_out():
    objects = render(profile("airgapped"))
    text = yaml.safe_dump(objects)
    hosts = set(ADDRESS.findall(text)) - {"sidecoach_owner@localhost"}
    assert {host for host in hosts if not INSIDE.match(host)} == set()
    for _, container in containers(objects):
        assert container["image"].startswith(REGISTRY)
    for each in objects:
        if each["kind"] == "NetworkPolicy":
            assert "ipBlock" not in yaml.safe_dump(each)


@pytest.mark.parametrize(
    "outside",
    [
        {"vllm": {"enabled": False}, "llm": {"baseUrl": "https://llm.example.com/v1"}},
        {"redis": {"enabled": False, "url": "redis://cache.example.com:6379/0"}},
        {"telemetry": {"endpoint": "https://otlp.example.com"}},
        {"image": {"registry": ""}},
    ],
)
def test_airgapped_refuses_whatever_would_leave(outside):
    with pytest.raises(helm_python.HelmError, match="airgapped"):
        render(profile("airgapped", **outside))


def test_only_profiles_that_may_leave_have_a_way_to_a_provider():
    for name in PROFILES:
        (policy,) = [
            each
            for each in render(profile(name))
            if (each["kind"], each["metadata"]["name"]) == ("NetworkPolicy", "coach-app")
        ]
        out = [
            to["ipBlock"]
            for rule in policy["spec"]["egress"]
            for to in rule["to"]
            if "ipBlock" in to and to["ipBlock"]["cidr"] == "0.0.0.0/0"
        ]
        assert len(out) == (0 if name == "airgapped" else 1)
        for block in out:
            assert "169.254.0.0/16" in block["except"]


def test_no_rule_opens_a_port_to_everybody():
    """A peer list that is empty or null means all: the most expensive typing error there is."""
    for name in PROFILES:
        for each in render(profile(name)):
            if each["kind"] == "NetworkPolicy":
                for way, peers in (("ingress", "from"), ("egress", "to")):
                    for rule in each["spec"].get(way, []):
                        assert rule[peers], each["metadata"]["name"]
                        assert rule["ports"], each["metadata"]["name"]
    with pytest.raises(helm_python.HelmError, match="open to all"):
        render(profile("airgapped", database={"podSelector": None}))


def test_model_servers_and_redis_are_reached_by_the_application_alone_and_reach_nobody():
    objects = render(profile("airgapped"))
    policies = {e["metadata"]["name"]: e["spec"] for e in objects if e["kind"] == "NetworkPolicy"}
    assert policies["coach-nothing"]["policyTypes"] == ["Ingress", "Egress"]
    assert policies["coach-nothing"].keys() == {"podSelector", "policyTypes"}
    labels = dict(pods(objects))
    for engine in ("redis", "triton", "vllm"):
        assert f"coach-{engine}" in labels
        spec = policies[f"coach-{engine}"]
        assert "egress" not in spec
        (rule,) = spec["ingress"]
        (peer,) = rule["from"]
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "app"
    vllm = next(c for _, c in containers(objects) if c["name"] == "vllm")
    assert "--host=127.0.0.1" in vllm["args"]


def test_secrets_are_named_and_the_owners_reaches_the_migration_alone():
    objects = render(profile("connected-onprem"))
    assert "Secret" not in {each["kind"] for each in objects}
    for name, pod in pods(objects):
        named = {
            source["secretRef"]["name"]
            for container in pod["containers"]
            for source in container.get("envFrom", [])
            if "secretRef" in source
        }
        assert ("sidecoach-owner" in named) == (name == "coach-migrate"), name
    (job,) = [each for each in objects if each["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_the_application_scales_stays_and_purges():
    objects = render(profile("connected-onprem", autoscaling={"roads": {"enabled": True}}))
    by_kind = {each["kind"]: each for each in objects}
    scaling = by_kind["HorizontalPodAutoscaler"]["spec"]
    assert scaling["minReplicas"] >= 2
    assert 60 <= scaling["metrics"][0]["resource"]["target"]["averageUtilization"] <= 70
    assert scaling["metrics"][1]["pods"]["metric"]["name"] == "sidecoach_roads"
    assert by_kind["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    cron = by_kind["CronJob"]["spec"]
    (container,) = cron["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["consent", "purge"]


def test_gpus_are_asked_for_where_there_are_to_be_some():
    asks = {
        c["name"]: (pod.get("nodeSelector"), c["resources"]["limits"].get("nvidia.com/gpu"))
        for pod, c in containers(render(profile("airgapped")))
    }
    assert asks["vllm"] == ({"nvidia.com/gpu.present": "true"}, 1)
    assert asks["triton"] == ({"nvidia.com/gpu.present": "true"}, 1)
    assert asks["app"] == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": "offline"},
        {"hosts": []},
        {"autoscaling": {"minReplicas": 1}},
        {"autoscaling": {"cpuPercent": 95}},
        {"env": {"SECRET_KEY": "x"}},
        {"env": {"DEMO": "1"}},
        {"image": {"digest": "sha256:short"}},
        {"databse": {}},
        {"llm": {"baseUrl": "https://key@llm.example.com"}},
    ],
)
def test_values_that_do_not_fit_are_refused_by_the_schema(wrong):
    with pytest.raises(helm_python.HelmError):
        render(profile("connected-onprem", **wrong))


def test_the_chart_passes_helms_own_lint():
    for name in PROFILES:
        told = helm_python.lint(str(CHART), profile(name))
        assert told["errors"] == []
        assert [m for m in told["messages"] if m["severity"] > 1] == []


def test_the_proxy_before_vllm_is_the_one_that_is_tested():
    ours = settings.BASE_DIR / "deploy" / "vllm" / "proxy.conf"
    assert (CHART / "files" / "proxy.conf").read_text() == ours.read_text()


def test_every_setting_the_chart_makes_is_one_that_is_read():
    from coach.environment import Environment

    known = {name.upper() for name in Environment.model_fields} | {"HF_HUB_OFFLINE"}
    for name in PROFILES:
        for each in render(profile(name)):
            if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "coach-settings":
                assert each["data"].keys() <= known
