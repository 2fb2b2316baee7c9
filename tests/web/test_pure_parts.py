"""What needs neither browser nor server: the web client's types, and its tests of pure parts."""

import asyncio

import pytest

from tests.web.conftest import WEB, require


@pytest.mark.parametrize("script", ["check", "test"])
async def test_types_and_pure_parts(script: str) -> None:
    require(browser=False)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("npm", "run", "--silent", script, cwd=WEB, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
