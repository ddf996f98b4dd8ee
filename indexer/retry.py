"""What an operator does about refused documents: write them again now, and lift a halt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from indexer.dead_letters import DeadLetters
from indexer.documents import version
from indexer.plan import Plans
from indexer.targets import Target, resolved
from indexer.tools import Tools
from indexer.writer import KIND, Writer
from service.ports.store import Store

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Retried:
    """How many dead letters were tried again, and how many are open still."""

    tried: int
    left: int


async def retry(tools: Tools, *, index: str | None = None, assets: Collection[str] | None = None) -> Retried:
    """Read the records behind open dead letters and write them again now; a good version clears its letter.

    Of one ``index`` or of all that get writes; of these ``assets`` or of all. Raises Unavailable, Rejected, Halted,
    IndexGone.
    """
    targets, _ = await resolved(tools.engine, await tools.plans.load())
    chosen = [target for target in targets if index in (None, target.index)]
    await tools.letters.load([target.index for target in chosen])
    tried = left = 0
    for target in chosen:
        keys = [key for key in tools.letters.open(target.index) if assets is None or key in assets]
        tools.bulk.forgive()  # nobody halts over letters that are known
        await tools.writer.apply(keys, [target])
        if keys:
            await tools.engine.refresh(target.index)
        tried += len(keys)
        left += sum(key in tools.letters.open(target.index) for key in keys)
    return Retried(tried, left)


async def rewrite_outdated(
    store: Store, letters: DeadLetters, writer: Writer, targets: Sequence[Target], epoch: int
) -> None:
    """Write again what was refused at a version that is not its record's any more, and has a letter all the same.

    Such a letter is left when another process wrote it after a good version was accepted (an operator's reindex, a
    leader that was stopped and woke up), and when the asset was mended or removed while the feed's history was lost.
    Raises what the writer raises.
    """
    for target in targets:
        refused = letters.open(target.index)
        keys = list(refused)
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            records = await store.get_many(KIND, page, tombstones=True)
            outdated = [k for k in page if k not in records or version(records[k], epoch) > refused.get(k, -1)]
            await writer.apply(outdated, [target])


async def resume(store: Store, alias: str) -> None:
    """Lift a halt: the leader tries again within a second or two. Raises Unavailable."""
    await Plans(store, alias).change(lambda plan: replace(plan, resumes=plan.resumes + 1))
