"""``/api/v1/system``."""

import asyncio
from datetime import datetime
from importlib.metadata import version

from fastapi import APIRouter, Request

from melonkube.contracts.system import System
from melonkube.gateway.settings import Settings
from melonkube.gateway.system.service import SystemService

router = APIRouter(prefix="/api/v1/system", tags=["system"])


@router.get("")
async def get_system(request: Request) -> System:
    """Which version runs, whether each service answers, how many trials may run at once."""
    service: SystemService = request.app.state.system
    settings: Settings = request.app.state.settings
    started_at: datetime = request.app.state.started_at
    services, workers = await asyncio.gather(service.services(), service.workers())
    return System(
        version=version("melonkube-gateway"),
        services=services,
        workers=workers,
        started_at=started_at,
        data_dir=str(settings.gateway.data_dir) if settings.gateway.data_dir is not None else None,
    )
