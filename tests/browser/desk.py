"""Into the administrator's desk, which asks for a second factor."""

from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.async_api import Page

from coach.demo.load import ADMIN, ADMIN_PASSWORD, second_factor_code


async def enter(page: Page, path: str) -> None:
    """Log in at the desk, both factors, and go there."""
    # A code is good for one use, and another test may have used this half minute's.
    TOTPDevice.objects.filter(user__username=ADMIN).update(last_t=-1)
    await page.goto(path)
    await page.get_by_label("User name").fill(ADMIN)
    await page.get_by_label("Password").fill(ADMIN_PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_label("Code").fill(second_factor_code())
    await page.get_by_role("button", name="Go on").click()
    await page.wait_for_url(f"**{path}*")
