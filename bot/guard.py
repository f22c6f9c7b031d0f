"""What stands between the engine and the model that the settings name: its prices, its switch, the day's budgets."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot.config import Config, read_config
from bot.engine.budget import Budget
from bot.llm.base import ChatModel
from bot.llm.offline import OfflineModel, Sentence
from bot.llm.priced import Priced
from bot.llm.prices import Prices
from bot.llm.switched import Switched
from bot.model_switch import ModelSwitch
from bot.notices import Notify, log_notice
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.spending import SpentToday
from bot.storage.switches import Switches
from bot.storage.turns import Turns


@dataclass(frozen=True, slots=True)
class Guard:
    """`model` is the one that the engine asks; `budget` is asked before it."""

    model: ChatModel
    prices: Prices
    switch: ModelSwitch
    budget: Budget


async def guard_of(
    settings: Settings, model: ChatModel, sentence: Sentence, database: Database, *, notify: Notify = log_notice
) -> Guard:
    """All of it around `model`. While that is switched off the policies are quoted word for word: they are right
    whatever is wrong with the model, cost nothing, and do not fill a desk with what they answer; who finds nothing in
    them is told how to reach a person. Raises a `ShopdeskError`."""
    config, timezone = config_of(settings), ZoneInfo(settings.shopdesk_timezone)
    prices, switch = Prices(config.prices), ModelSwitch(Switches(database), notify=notify)
    await switch.load()
    guarded = Switched(Priced(model, prices), OfflineModel(sentence=sentence), switch.is_on)
    budget = Budget(
        config.budgets,
        SpentToday(database, timezone),
        Turns(database),
        is_free=lambda: prices.is_free(guarded.name),
        notify=notify,
    )
    await budget.load()
    return Guard(guarded, prices, switch, budget)


def config_of(settings: Settings) -> Config:
    """What shopdesk.toml says. Raises `SettingsError`."""
    return read_config(getattr(settings, "shopdesk_config", None))
