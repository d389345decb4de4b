"""The registry's tables share one ``MetaData``."""

from melonkube.kit.db import Base, metadata


class RegistryBase(Base):
    """Base of the registry's tables."""

    __abstract__ = True
    metadata = metadata()
