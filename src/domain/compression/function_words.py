"""Which words are grammar rather than content, and which negate, in a few languages.

Short lists of the commonest: what is missing counts as content. The strategy
`weighted` weighs words by them, and evaluation counts what survives by them.
"""

# ruff: noqa: RUF001 - letters of all alphabets are its subject

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEGATIONS: Final = _words(
    # English
    "no not never none nobody nothing neither nor nowhere cannot without isn't aren't wasn't "
    "weren't don't doesn't didn't won't wouldn't can't couldn't shouldn't haven't hasn't "
    "hadn't mustn't ain't "
    # German
    "nicht kein keine keinem keinen keiner keines nie niemals nichts niemand weder ohne "
    # French, Spanish, Portuguese, Italian
    "ne pas jamais rien aucun aucune sans non nunca jamás nada nadie ningún ninguna ninguno "
    "tampoco sin não nem mai niente nessun nessuno nessuna senza "
    # Russian, Ukrainian
    "не ни нет никогда ничего никто нельзя без ні немає ніколи "
    # Greek
    "δεν μην μη όχι ποτέ τίποτα κανείς χωρίς "
    # Arabic, Persian
    "لا لم لن ليس ليست لما غير بدون نه نیست نباید هرگز "
    # Hebrew
    "לא אין אל בלי "
    # Hindi
    "नहीं न मत ना बिना "
    # Korean
    "않는 않습니다 않고 없는 없습니다 없이 안 못 아닌 아닙니다 "
)
"""Words that turn a statement into its opposite; in lower case."""

NEGATION_CHARACTERS: Final = frozenset("不没沒无無未非别別勿莫")

NEGATION_ENDINGS: Final = ("ない", "なかっ", "ません")
"""How Japanese verbs are negated."""

FUNCTION_WORDS: Final = _words(
    # English
    "a about above after again all also am an and any are as at be because been before being "
    "below between both but by can could did do does doing down during each few for from "
    "further had has have having he her here hers him his how i if in into is it it's its "
    "itself just me more most my of off on once only or other our ours out over own s same "
    "she should so some such t than that the their theirs them then there these they this "
    "those through to too under until up very was we were what when where which while who "
    "whom why will with would you your yours may might must shall let us one "
    # German
    "aber als am an auch auf aus bei bin bis da damit dann das dass dem den denn der des die "
    "dies diese diesem diesen dieser dieses doch dort durch ein eine einem einen einer eines "
    "er es für hat hatte hier ich ihm ihn ihr ihre ihren im in ins ist ja kann man mehr mein "
    "mit nach noch nun nur ob oder ohne sehr sein seine seinen sich sie sind so sondern "
    "soll um und uns unter vom von vor war waren was weil wenn wer werden wie wird wir wo "
    "wurde wurden zu zum zur über "
    # French, Spanish, Portuguese, Italian
    "au aux avec ce ces cet cette dans de des du elle elles en est et eu il ils je la le les "
    "leur leurs lui ma mais me mes moi mon nos notre nous on ont ou où par pas pour qu que "
    "qui sa se ses son sont sur ta te tes toi ton tu un une vos votre vous été être "
    "al algo ante cada como con contra cual cuando del desde donde el ella ellas ellos entre "
    "era es esa ese eso esta este esto fue ha hay la las lo los más mi muy o para pero por "
    "porque quien se ser si sin sobre son su sus también tiene un una y ya yo "
    "ao aos as com da das do dos e ele em essa esse foi isso mais na nas no nos o os ou pela "
    "pelo seu sua são também um uma às "
    "alla alle agli anche che chi ci da dal dalla degli dei del della delle di e gli ha hanno "
    "i il l le lo nel nella o per più quella quello questa questo se si sono su sul sulla tra "
    "uno è "
    # Russian, Ukrainian
    "а без более был была были было быть в вам вас весь во вот все всё вы где да даже для до "
    "его ее её если есть еще ещё же за здесь и из или им их к как ко когда кто ли либо между "
    "меня мне можно мой мы на над нам нас него нее них но о об он она они оно от очень по под "
    "после при про с со так также такой там то того тоже только том ты у уже чего чем что "
    "чтобы эта эти это этого этой этом этот я й та ті це цей як що або але від його її їх "
    # Greek
    "ο η το οι τα του της των τον την τη τους τις και κι ή να θα με σε για από ως στο στη στην "
    "στον στα στους στις που πως αν ότι αλλά είναι ήταν έχει έχουν ένα ένας μια μία αυτό αυτά "
    "αυτή αυτός σας μας μου σου τι όπως όταν μετά πριν πολύ πιο "
    # Arabic, Persian
    "في من على إلى عن مع هذا هذه ذلك تلك التي الذي الذين أن إن كان كانت هو هي هم قد كل بعد "
    "قبل بين عند حتى أو ثم كما لكن ما و يا إذا أي أيضا منذ هناك كانوا يكون "
    "از به در را که این آن با برای تا بر یا هم شود می ها های است بود باشد شما کنید اگر خود یک "
    "هر پس نیز و شده دهید "
    # Hebrew
    "של על את זה זו הוא היא הם הן עם אל כי גם או אם כל מה יש היה היתה אני אתה אנחנו אשר כדי "
    # Hindi
    "का के की को में से पर और है हैं था थे थी यह वह ये वे एक इस उस जो कि तो भी ही ने कर हो "
    "होता होती करने लिए तक साथ आप अपने अपनी या किया गया जा सकते करें इसे उसे कुछ "
    # Korean, where most of grammar hangs on the word itself
    "이 그 저 것 수 및 등 더 또는 그리고 하지만 있는 있습니다 합니다 하는 한 할 를 을 은 는 가 "
    # Chinese
    "我们 我們 你们 你們 他们 他們 她们 它们 自己 可以 如果 但是 不过 因为 因為 所以 因此 或者 以及 "
    "还是 就是 而且 然后 然後 这些 這些 那些 这样 那么 什么 什麼 怎么 已经 通过 对于 关于 时候 時候 "
).difference(NEGATIONS)
"""Articles, pronouns, prepositions, conjunctions, auxiliaries; in lower case."""

TELLING_WORDS: Final = _words(
    # How much, when and whether
    "more most few all only each both before after above below under over between until if again "
    "mehr nur vor nach über unter bis wenn ob "
    "mais más cada contra entre si ante anche più "
    "более все всё только до после под над между если либо "
    "μετά πριν αν πιο كل بعد قبل بين حتى إذا هر پس تا اگر כל אם तक या "
    # Content in another language, most of them in English
    "bin chi con damit den die dies dos era est hat hay man par para per pour son ton war"
)
"""Function words that say a little."""

FUNCTION_CHARACTERS: Final = frozenset(
    "的了是在和也就都而及与與着着或一个個把被这這那其之于於以为為所上中下有会會可对對"
)
"""Chinese characters that mostly do grammar's work."""
