"""What stands between the engine and the model that the settings name: its prices, its switch, the day's budgets."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bot.config import Budgets, read_config
from bot.engine.budget import Budget
from bot.llm.base import ChatModel
from bot.llm.offline import OfflineModel, Sentence
from bot.llm.priced import Priced
from bot.llm.prices import OFFLINE, Prices
from bot.llm.switched import Switched
from bot.model_switch import WHILE_OFF, ModelSwitch, words_of
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
    budgets: Budgets
    has_openai_key: bool
    """There is one, whatever model answers."""

    def words(self) -> str:
        """How the model stands, for the operator."""
        if not self.switch.is_on():
            return f"{words_of(self.switch.last)} {WHILE_OFF}"
        if self.model.name == OFFLINE and self.has_openai_key:
            return "policies are quoted word for word. SHOPDESK_MODEL=openai:MODEL names a model for OPENAI_API_KEY"
        if self.model.name == OFFLINE:
            return "no key: policies are quoted word for word. ANTHROPIC_API_KEY turns Claude on"
        return self.model.name

    def notes(self) -> tuple[str, ...]:
        """What the operator should know of the budgets."""
        model, budgets = self.model.name, self.budgets
        if (budgets.customer_dollars, budgets.shop_dollars) == (None, None) or self.prices.of(model) is not None:
            return ()
        return (
            f"{model} has no price, so budgets in dollars do not hold it: "
            f'set [prices."{model.partition(":")[2]}"] in shopdesk.toml, or budgets in tokens',
        )


async def guard_of(
    settings: Settings, model: ChatModel, sentence: Sentence, database: Database, *, notify: Notify = log_notice
) -> Guard:
    """All of it around `model`. While that is switched off the policies are quoted word for word: they are right
    whatever is wrong with the model, cost nothing, and do not fill a desk with what they answer; who finds nothing in
    them is told how to reach a person. Raises a `ShopdeskError`."""
    config, timezone = read_config(settings.config_file), ZoneInfo(settings.shopdesk_timezone)
    prices, switch = Prices(config.prices), ModelSwitch(Switches(database), notify=notify)
    await switch.load()
    guarded = Switched(Priced(model, prices), OfflineModel(sentence=sentence, stands_in=True), switch.is_on)
    budget = Budget(
        config.budgets,
        SpentToday(database, timezone),
        Turns(database),
        is_free=lambda: guarded.name == OFFLINE,
        notify=notify,
    )
    await budget.load()
    return Guard(guarded, prices, switch, budget, config.budgets, bool(settings.openai_api_key))
