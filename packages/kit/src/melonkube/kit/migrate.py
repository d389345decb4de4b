"""Brings one service's database to this version's schema, and ends: ``python -m melonkube.kit.migrate SERVICE``.

Services do the same when they start. Run before them, this shows a migration that fails while the old version still
answers.
"""

import asyncio
import sys

from melonkube.kit.db import Database, database_away
from melonkube.kit.logs import configure_logs, get_logger
from melonkube.kit.migrations import NewerDatabase, migrate_when_there
from melonkube.kit.settings import ServiceSettings

log = get_logger("melonkube.migrate")

_WAIT_SECONDS = 120.0


async def _run(settings: ServiceSettings, service: str) -> None:
    database = Database.from_settings(settings, service)
    try:
        await migrate_when_there(database, service, within=_WAIT_SECONDS)
    finally:
        await database.close()


def main(arguments: list[str]) -> int:
    """Return 0 when the database is at this version's schema, 1 when it cannot be brought there."""
    if len(arguments) != 1:
        print("usage: python -m melonkube.kit.migrate registry|tuner|serving", file=sys.stderr)
        return 2
    (service,) = arguments
    settings = ServiceSettings()
    configure_logs(service, settings.logs.level)
    try:
        asyncio.run(_run(settings, service))
    except NewerDatabase as error:
        log.error(str(error))
        return 1
    except Exception as error:
        if not database_away(error):
            raise
        log.error("the database does not answer", reason=str(error))
        return 1
    log.info("the database is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
