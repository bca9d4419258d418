from django.db import migrations

# Reserving is one round trip and all or nothing: rows are locked in one order, looked at, and only
# then changed. Each function may be called twice with the same arguments.
FUNCTIONS = """
CREATE FUNCTION gateway_budgets(org uuid, of_session uuid, moment timestamptz)
RETURNS TABLE (period text, key text, most bigint) LANGUAGE sql STABLE AS $$
    SELECT v.period, v.key, (v.units * 1000000)::bigint
    FROM gateway_budget b, LATERAL (VALUES
        ('day', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD'), b.per_day),
        ('month', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM'), b.per_month),
        ('session', of_session::text, b.per_session)
    ) AS v(period, key, units)
    WHERE b.organisation_id = org AND v.units IS NOT NULL
    ORDER BY v.period
$$;

CREATE FUNCTION gateway_killed(org uuid, of_session uuid, of_role text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM gateway_switch WHERE killed AND feature IN ('', of_role))
        OR EXISTS (SELECT FROM coach_organisation WHERE id = org AND killed)
        OR EXISTS (SELECT FROM coach_session WHERE id = of_session AND killed)
$$;

CREATE FUNCTION gateway_reserve(
    call uuid, org uuid, of_session uuid, of_member uuid, of_utterance uuid, of_role text,
    of_route text, of_trial bigint, of_arm text, unseen boolean, tokens integer, cost bigint
) RETURNS TABLE (verdict text, period text, percent integer) LANGUAGE plpgsql AS $$
DECLARE
    budget record; spent bigint; before smallint; share integer;
    worst integer := 0; worst_period text := ''; crossed integer := 0;
BEGIN
    IF EXISTS (SELECT FROM gateway_modelcall WHERE id = call) THEN
        RETURN QUERY SELECT 'ok', '', 0; RETURN;
    END IF;
    IF gateway_killed(org, of_session, of_role) THEN
        RETURN QUERY SELECT 'killed', '', 0; RETURN;
    END IF;
    FOR budget IN SELECT * FROM gateway_budgets(org, of_session, now()) LOOP
        INSERT INTO gateway_spend (organisation_id, period, key, micros, told)
        VALUES (org, budget.period, budget.key, 0, 0) ON CONFLICT DO NOTHING;
        SELECT s.micros, s.told INTO spent, before FROM gateway_spend s
        WHERE s.organisation_id = org AND s.period = budget.period AND s.key = budget.key
        FOR UPDATE;
        IF spent + cost > budget.most THEN
            UPDATE gateway_spend s SET told = 100
            WHERE s.organisation_id = org AND s.period = budget.period AND s.key = budget.key;
            RETURN QUERY SELECT 'spent', budget.period, CASE WHEN before < 100 THEN 100 ELSE 0 END;
            RETURN;
        END IF;
        share := CASE WHEN budget.most > 0 THEN 100 * (spent + cost) / budget.most ELSE 100 END;
        IF share >= 80 AND before < 80 AND share > worst THEN
            worst := share; worst_period := budget.period;
        END IF;
    END LOOP;
    UPDATE gateway_spend s
    SET micros = s.micros + cost,
        told = CASE WHEN s.told < 80 AND 100 * (s.micros + cost) >= 80 * b.most
                    THEN 80 ELSE s.told END
    FROM gateway_budgets(org, of_session, now()) b
    WHERE s.organisation_id = org AND s.period = b.period AND s.key = b.key;
    INSERT INTO gateway_modelcall (id, organisation_id, session_id, member_id, utterance_id, role,
        route, trial_id, arm, shadow, outcome, tokens_in, tokens_out, micros, at)
    VALUES (call, org, of_session, of_member, of_utterance, of_role, of_route, of_trial, of_arm,
        unseen, '', tokens, 0, cost, now());
    RETURN QUERY SELECT 'ok', worst_period, worst;
END $$;

CREATE FUNCTION gateway_settle(
    call uuid, result text, used_in integer, used_out integer, cost bigint,
    first_token double precision, total double precision, sure double precision
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE was gateway_modelcall;
BEGIN
    SELECT * INTO was FROM gateway_modelcall WHERE id = call AND settled_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE gateway_modelcall
    SET outcome = result, tokens_in = used_in, tokens_out = used_out, micros = cost,
        first_ms = first_token, total_ms = total, confidence = sure, settled_at = now()
    WHERE id = call;
    IF cost = was.micros THEN RETURN true; END IF;
    -- In the same order as whoever reserves, so that the two never wait for each other.
    PERFORM FROM gateway_spend s
    JOIN gateway_budgets(was.organisation_id, was.session_id, was.at) b USING (period, key)
    WHERE s.organisation_id = was.organisation_id ORDER BY s.period FOR UPDATE OF s;
    UPDATE gateway_spend s SET micros = greatest(0, s.micros + cost - was.micros)
    FROM gateway_budgets(was.organisation_id, was.session_id, was.at) b
    WHERE s.organisation_id = was.organisation_id AND s.period = b.period AND s.key = b.key;
    RETURN true;
END $$;

CREATE FUNCTION gateway_take_line(
    line uuid, org uuid, whose text, most integer, kept_s integer
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gateway_line WHERE id = line) THEN RETURN true; END IF;
    -- Two sockets of one person are counted one after the other.
    PERFORM pg_advisory_xact_lock(727002, hashtext(whose));
    DELETE FROM gateway_line WHERE who = whose AND until < now();
    IF (SELECT count(*) FROM gateway_line WHERE who = whose) >= most THEN RETURN false; END IF;
    INSERT INTO gateway_line (id, organisation_id, who, until)
    VALUES (line, org, whose, now() + make_interval(secs => kept_s));
    RETURN true;
END $$;

CREATE FUNCTION gateway_forget_playbook() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM gateway_keptdraft WHERE playbook_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER gateway_forget_playbook AFTER UPDATE OF live_version_id ON rag_playbook
FOR EACH ROW WHEN (OLD.live_version_id IS DISTINCT FROM NEW.live_version_id)
EXECUTE FUNCTION gateway_forget_playbook();
"""

GONE = """
DROP TRIGGER gateway_forget_playbook ON rag_playbook;
DROP FUNCTION gateway_forget_playbook();
DROP FUNCTION gateway_take_line(uuid, uuid, text, integer, integer);
DROP FUNCTION gateway_settle(uuid, text, integer, integer, bigint, double precision,
    double precision, double precision);
DROP FUNCTION gateway_reserve(uuid, uuid, uuid, uuid, uuid, text, text, bigint, text, boolean,
    integer, bigint);
DROP FUNCTION gateway_killed(uuid, uuid, text);
DROP FUNCTION gateway_budgets(uuid, uuid, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0001_initial"),
        ("coach", "0001_initial"),
        ("rag", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FUNCTIONS, GONE)]
