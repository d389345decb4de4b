"""How the tuner begins."""

from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from melonkube.kit.settings import TokenSettings
from melonkube.tuner.app import create_app
from melonkube.tuner.settings import Settings


async def test_a_file_that_is_no_database_ends_the_start(tmp_path: Path, token_settings: TokenSettings) -> None:
    (tmp_path / "tuner.db").write_bytes(b"anything but a database" * 100)
    app = create_app(Settings(data_dir=tmp_path, tokens=token_settings, warm_search=False))
    with pytest.raises(DatabaseError, match="not a database"):
        async with app.router.lifespan_context(app):
            raise AssertionError("it must not wait for what no waiting mends")
