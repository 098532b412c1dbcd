"""The words of a statement: plain Japanese with readings, ``{漢字|かんじ}``, and English.

In braces without a bar stands what a statement fills in.
"""

from __future__ import annotations

from typing import Literal

from sekisho.control.optout.proxy import ProxyKind
from sekisho.framework import Text

Effect = Literal["stop_provision", "stop_collection", "erase"]

WORDS: dict[str, Text] = {
    "title": Text(
        ja="{医療|いりょう}データの{利用|りよう}についての{申出|もうしで}の{控え|ひかえ}",
        en="Your choice about the use of your health data",
    ),
    "out": Text(
        ja="あなたは、「わたしの{医療|いりょう}データを{使|つか}わないでください」と{申|もう}し{出|で}ました。",
        en="You told us: “Do not use my health data.”",
    ),
    "back": Text(
        ja="あなたは、「わたしの{医療|いりょう}データを{使|つか}ってもよい」と{申|もう}し{出|で}ました。{前|まえ}の{申出|もうしで}を{取|と}り{消|け}しました。",
        en="You told us: “My health data may be used again.” This undoes your earlier choice.",
    ),
    "proxy": Text(
        ja="この{申出|もうしで}は、{代|か}わりの{人|ひと}（{who}）がしました。",
        en="This choice was stated for you by {who}.",
    ),
    "receipt": Text(ja="{受付|うけつけ}{番号|ばんごう}", en="Receipt number"),
    "recorded": Text(ja="{申|もう}し{出|で}た{日|ひ}", en="Stated on"),
    "from": Text(ja="いつから", en="Counts from"),
    "scope": Text(ja="なにを", en="What it is about"),
    "desk": Text(ja="{受|う}け{付|つ}けた{窓口|まどぐち}", en="Desk that took it"),
    "stops": Text(ja="この{申出|もうしで}で{止|と}まること", en="What stops"),
    "starts": Text(ja="この{申出|もうしで}で{変|か}わること", en="What changes"),
    "stays": Text(ja="この{申出|もうしで}では{止|と}まらないこと", en="What does not stop"),
    "rights": Text(ja="これからできること", en="What you can do"),
    "help": Text(ja="わからないとき・こまったとき", en="Questions and complaints"),
}

STOPS: dict[Effect, tuple[Text, ...]] = {
    "stop_provision": (
        Text(
            ja="{研究|けんきゅう}などのために、あなたのデータを{新|あたら}しく{渡|わた}しません。",
            en="Your data are not given out any more for research or other uses.",
        ),
        Text(
            ja="データは{holders}に{残|のこ}ります。{使|つか}うために{外|そと}へ{出|だ}しません。",
            en="The data stay with {holders}, and do not leave for any use.",
        ),
    ),
    "stop_collection": (
        Text(
            ja="{研究|けんきゅう}などのために、あなたのデータを{新|あたら}しく{渡|わた}しません。",
            en="Your data are not given out any more for research or other uses.",
        ),
        Text(
            ja="あなたの{新|あたら}しいデータを{集|あつ}めません。いままでに{集|あつ}めたデータは{holders}に{残|のこ}ります。",
            en="No new data about you are collected. What was collected stays with {holders}.",
        ),
    ),
    "erase": (
        Text(
            ja="{研究|けんきゅう}などのために、あなたのデータを{新|あたら}しく{渡|わた}しません。",
            en="Your data are not given out any more for research or other uses.",
        ),
        Text(
            ja="あなたの{新|あたら}しいデータを{集|あつ}めません。{holders}にあるデータを{消|け}します。",
            en="No new data about you are collected. What {holders} hold is erased.",
        ),
    ),
}
PURPOSE_ONLY = Text(
    ja="この{目的|もくてき}のために、あなたのデータを{新|あたら}しく{渡|わた}しません。ほかの{目的|もくてき}では{使|つか}われることがあります。",
    en="Your data are not given out any more for this purpose. They may be used for others.",
)
BACK: tuple[Text, ...] = (
    Text(
        ja="{決|き}まりにそった{研究|けんきゅう}などに、あなたのデータがまた{使|つか}われることがあります。",
        en="Your data may again be used for research and other uses that the rules allow.",
    ),
)
ERASED_BACK = Text(
    ja="{消|け}したデータは{元|もと}に{戻|もど}りません。これからのデータを{新|あたら}しく{集|あつ}めます。",
    en="What was erased does not come back. Data are collected anew from now on.",
)
STAYS: tuple[Text, ...] = (
    Text(
        ja="もう{渡|わた}したデータは、{取|と}り{戻|もど}しません。",
        en="Data that were already given to a project are not called back.",
    ),
    Text(
        ja="もう{終|お}わった{分析|ぶんせき}や、もう{公表|こうひょう}した{結果|けっか}は、{変|か}わりません。",
        en="Analyses that were made, and results that were published, do not change.",
    ),
    Text(
        ja="あなたの{治療|ちりょう}は{変|か}わりません。お{金|かね}もかかりません。",
        en="Your care does not change. It costs you nothing.",
    ),
)
RIGHTS: tuple[Text, ...] = (
    Text(
        ja="いつでも{取|と}り{消|け}せます。{理由|りゆう}はいりません。{申出|もうしで}と{同|おな}じ{窓口|まどぐち}、{同|おな}じ{紙|かみ}でできます。",
        en="You can undo this at any time, without a reason, at the same desk with the same form.",
    ),
    Text(
        ja="{受付|うけつけ}{番号|ばんごう}があれば、いまの{申出|もうしで}のようすを{聞|き}くことができます。",
        en="With the receipt number you can ask what is in force.",
    ),
    Text(
        ja="{保険|ほけん}が{変|か}わっても、この{申出|もうしで}は{終|お}わらないものとして{扱|あつか}います。{窓口|まどぐち}に{新|あたら}しい{番号|ばんごう}を{知|し}らせると{確|たし}かです。",
        en="The choice is meant to outlive a change of insurer; telling the desk your new number "
        "makes sure of it.",
    ),
)
NOTICE = Text(
    ja="はじめてのお{知|し}らせから{days}{日|にち}の{間|あいだ}は、{認定|にんてい}{事業者|じぎょうしゃ}はデータを{集|あつ}めません。",
    en="For {days} days after you are first given notice, certified operators collect nothing.",
)
AGAIN = Text(
    ja="{month}に、この{申出|もうしで}をどうするか、ご{本人|ほんにん}に{聞|き}きます。{答|こた}えがあるまで、この{申出|もうしで}は{続|つづ}きます。",
    en="In {month} the person will be asked about this choice. Until then it stands.",
)
ASK = Text(
    ja="{desk}の{窓口|まどぐち}に{聞|き}いてください。{受付|うけつけ}{番号|ばんごう}を{伝|つた}えてください。",
    en="Ask the desk of {desk} and give the receipt number.",
)
COMPLAIN = Text(
    ja="{苦情|くじょう}も、だれでも、この{窓口|まどぐち}に{言|い}うことができます。{担当|たんとう}の{人|ひと}と{返事|へんじ}の{日|ひ}が{決|き}まります。",
    en="Anyone can complain at this desk. The complaint gets an owner and a day for the answer.",
)
REMEDY = Text(
    ja="{窓口|まどぐち}の{答|こた}えに{納得|なっとく}できないとき：{procedure}{where}",
    en="If you do not agree with the answer: {procedure}{where}",
)
PROXIES: dict[ProxyKind, Text] = {
    "guardian": Text(
        ja="{親|おや}など、{子|こ}どもを{守|まも}る{人|ひと}", en="a parent or guardian"
    ),
    "agent": Text(ja="あなたが{頼|たの}んだ{人|ひと}", en="someone you asked to"),
    "adult_guardian": Text(ja="{成年|せいねん}{後見人|こうけんにん}", en="your legal guardian"),
}
NEXT_DAY = Text(
    ja="{窓口|まどぐち}は、{申出|もうしで}を{一日|いちにち}に{一回|いっかい}まとめて{送|おく}ります。データを{持|も}つところに{届|とど}くのは{次|つぎ}の{日|ひ}です。",
    en="The desk sends choices once a day. They reach those who hold data on the next day.",
)
EXAMPLE = Text(ja="{見本|みほん}（{合成|ごうせい}データ）", en="Example made with synthetic data")
