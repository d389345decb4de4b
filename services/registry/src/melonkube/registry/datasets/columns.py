"""Columns of a typed copy for the other services: an Arrow IPC stream, made while it is sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.responses import Response, StreamingResponse

from melonkube.contracts.datasets import Dataset
from melonkube.contracts.errors import ErrorCode
from melonkube.kit.errors import InvalidRequest, NotFound
from melonkube.registry.blobs.models import BlobRow
from melonkube.registry.blobs.sink import Sink
from melonkube.registry.blobs.store import ObjectStore

ARROW_STREAM = "application/vnd.apache.arrow.stream"
_BATCH_ROWS = 65_536


async def stream_columns(store: ObjectStore, blob: BlobRow, dataset: Dataset, names: list[str]) -> Response:
    """Return the answer that carries the columns ``names``, each once, in the order asked for.

    Raises:
        InvalidRequest: The data set has no such column.
        NotFound: It was deleted meanwhile.
    """
    wanted = list(dict.fromkeys(names))
    known = {column.name for column in dataset.columns}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InvalidRequest(
            f"The data set has no column '{unknown[0]}'; see its columns.", code=ErrorCode.COLUMN_UNKNOWN
        )
    async with AsyncExitStack() as stack:
        try:
            path = await stack.enter_async_context(store.local_file(blob.key))
            file = await asyncio.to_thread(pq.ParquetFile, path, pre_buffer=False, buffer_size=1 << 20)
        except FileNotFoundError as error:
            raise NotFound("The data set was deleted.") from error
        stack.callback(file.close)
        held = stack.pop_all()
    return StreamingResponse(_stream(file, wanted, held), media_type=ARROW_STREAM)


async def _stream(file: pq.ParquetFile, names: list[str], held: AsyncExitStack) -> AsyncIterator[bytes]:
    async with held:
        sink = Sink()
        schema = pa.schema([file.schema_arrow.field(name) for name in names])
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=names, use_threads=False)
        with pa.ipc.new_stream(sink, schema) as writer:
            while True:
                batch = await asyncio.to_thread(next, batches, None)
                if batch is None:
                    break
                writer.write_batch(batch.select(names))
                yield sink.take()
        yield sink.take()
