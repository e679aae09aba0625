"""The words of the sample world: names, cities, touchpoints, categories."""

from typing import Final

SURNAMES: Final = (
    ("王", "Wang"), ("李", "Li"), ("张", "Zhang"), ("刘", "Liu"), ("陈", "Chen"),
    ("杨", "Yang"), ("黄", "Huang"), ("赵", "Zhao"), ("吴", "Wu"), ("周", "Zhou"),
    ("徐", "Xu"), ("孙", "Sun"), ("马", "Ma"), ("朱", "Zhu"), ("胡", "Hu"),
    ("郭", "Guo"), ("何", "He"), ("林", "Lin"), ("高", "Gao"), ("罗", "Luo"),
    ("郑", "Zheng"), ("梁", "Liang"), ("谢", "Xie"), ("宋", "Song"), ("唐", "Tang"),
    ("欧阳", "Ouyang"), ("司马", "Sima"), ("邓", "Deng"), ("冯", "Feng"), ("韩", "Han"),
)  # fmt: skip
GIVEN: Final = (
    ("伟", "wei"), ("芳", "fang"), ("娜", "na"), ("敏", "min"), ("静", "jing"),
    ("丽", "li"), ("强", "qiang"), ("磊", "lei"), ("军", "jun"), ("洋", "yang"),
    ("勇", "yong"), ("艳", "yan"), ("杰", "jie"), ("娟", "juan"), ("涛", "tao"),
    ("明", "ming"), ("超", "chao"), ("秀", "xiu"), ("霞", "xia"), ("平", "ping"),
    ("刚", "gang"), ("桂", "gui"), ("英", "ying"), ("华", "hua"), ("玉", "yu"),
    ("萍", "ping"), ("红", "hong"), ("玲", "ling"), ("飞", "fei"), ("鹏", "peng"),
    ("浩", "hao"), ("宇", "yu"), ("轩", "xuan"), ("子", "zi"), ("涵", "han"),
    ("欣", "xin"), ("怡", "yi"), ("佳", "jia"), ("琪", "qi"), ("梓", "zi"),
)  # fmt: skip
# Names as their bearers write them: given name, surname, both in Latin letters, and
# the language in which they write reviews.
FOREIGN_NAMES: Final = (
    ("Анна", "Иванова", "anna", "ivanova", "ru"), ("Олег", "Петров", "oleg", "petrov", "ru"),
    ("민수", "김", "minsu", "kim", "ko"), ("서연", "박", "seoyeon", "park", "ko"),
    ("健", "佐藤", "ken", "sato", "ja"), ("さくら", "高橋", "sakura", "takahashi", "ja"),
    ("محمد", "علي", "mohammed", "ali", "ar"), ("Hoa", "Nguyễn Thị", "hoa", "nguyen", "vi"),
    ("José", "García Núñez", "jose", "garcia", "es"), ("Zoë", "O'Brien", "zoe", "obrien", "en"),
    ("Jürgen", "Müller-Weiß", "juergen", "mueller", "de"), ("Emily", "Clark", "emily", "clark", "en"),
    ("ئالىم", "تۇرسۇن", "alim", "tursun", "zh"), ("བཀྲ་ཤིས", "དོན་གྲུབ", "tashi", "dondrub", "zh"),
)  # fmt: skip
CITIES: Final = (  # city, region, weight
    ("Shanghai", "East", 12), ("Beijing", "North", 11), ("Guangzhou", "South", 9),
    ("Shenzhen", "South", 9), ("Hangzhou", "East", 7), ("Chengdu", "Southwest", 7),
    ("Chongqing", "Southwest", 6), ("Wuhan", "Central", 5), ("Nanjing", "East", 5),
    ("Suzhou", "East", 4), ("Xi'an", "Northwest", 4), ("Tianjin", "North", 4),
    ("Changsha", "Central", 3), ("Zhengzhou", "Central", 3), ("Qingdao", "East", 3),
    ("Shenyang", "Northeast", 2), ("Harbin", "Northeast", 2), ("Kunming", "Southwest", 2),
    ("Xiamen", "East", 2), ("Lanzhou", "Northwest", 1), ("Urumqi", "Northwest", 1),
)  # fmt: skip
EMAIL_DOMAINS: Final = ("example.com", "example.net", "example.org", "mail.example.com")
PHONE_PREFIXES: Final = (
    "130", "131", "132", "133", "135", "136", "137", "138", "139", "150", "151", "152",
    "155", "156", "157", "158", "159", "176", "177", "178", "180", "181", "182", "183",
    "185", "186", "187", "188", "189", "199",
)  # fmt: skip
DENYLISTED_PHONE: Final = "13800000000"

STORE_TOUCHPOINTS: Final = ("web_store", "tmall", "jd", "pinduoduo", "douyin_shop")
STORE_WEIGHTS: Final = (0.30, 0.28, 0.20, 0.12, 0.10)
POS_TOUCHPOINTS: Final = ("pos_store", "pop_up", "kiosk")
POS_WEIGHTS: Final = (0.86, 0.08, 0.06)
MINI_TOUCHPOINTS: Final = ("wechat_mini", "alipay_mini", "douyin_mini")
MINI_WEIGHTS: Final = (0.72, 0.18, 0.10)
APP_TOUCHPOINTS: Final = ("app_ios", "app_android")
# From the cheapest to the dearest.
IPHONES: Final = (
    "iPhone XR", "iPhone SE (2nd generation)", "iPhone 11", "iPhone 12 mini", "iPhone 12",
    "iPhone 13", "iPhone 14", "iPhone 14 Plus", "iPhone 13 Pro", "iPhone 15",
    "iPhone16,1", "iPhone 15 Pro Max", "iPhone 17 Pro",
)  # fmt: skip
# Names and codes, as phones report them.
ANDROIDS: Final = (
    "Redmi 12C", "OPPO A2", "SM-A1560", "realme C55", "HONOR Play 40", "HUAWEI Enjoy 60",
    "vivo Y100", "HONOR X50", "Redmi Note 13", "HONOR 90", "HUAWEI nova 12", "Redmi K70",
    "SM-A5560", "OPPO Reno11", "vivo S18", "realme GT5", "Xiaomi 14", "HUAWEI P60",
    "ALN-AL00", "vivo X100", "OnePlus 12", "OPPO Find X7", "HONOR Magic6 Pro",
    "Xiaomi 13 Ultra", "HUAWEI Mate 60 Pro", "SM-S9280", "SM-F9460",
)  # fmt: skip
NO_PHONES: Final = ("sdk_gphone64_arm64", "TV-BOX")

NICKNAMES: Final = (
    ("爱吃的", "快乐", "小小", "sunny", "夜猫", "lazy", "甜甜的", "Super"),
    ("猫", "兔子", "panda", "阿宝", "云", "星星", "fox", "豆豆", "鱼"),
)
AD_TOUCHPOINTS: Final = ("search_ad", "feed_ad", "display_ad", "kol")
AD_WEIGHTS: Final = (0.35, 0.35, 0.20, 0.10)
SOCIAL_TOUCHPOINTS: Final = (
    "weibo", "douyin_live", "kuaishou_live", "xiaohongshu", "bilibili",
)  # fmt: skip
SOCIAL_WEIGHTS: Final = (0.22, 0.26, 0.14, 0.26, 0.12)
SOCIAL_ACTS: Final = ("like", "comment", "share", "post")
SOCIAL_ACT_WEIGHTS: Final = (0.66, 0.18, 0.11, 0.05)
WEB_TOUCHPOINTS: Final = ("web_pc", "web_h5")
SUPPORT_TOUCHPOINTS: Final = ("hotline", "live_chat", "ticket")
TICKET_CATEGORIES: Final = (
    "delivery", "quality", "refund", "product", "account", "payment",
)  # fmt: skip

CATEGORIES: Final = (
    "beauty", "fashion", "food", "home", "electronics", "sports", "baby", "books",
)  # fmt: skip
CATEGORY_WEIGHTS: Final = (0.18, 0.20, 0.17, 0.13, 0.10, 0.08, 0.08, 0.06)
CATEGORY_MARGINS: Final = (0.55, 0.50, 0.28, 0.40, 0.15, 0.38, 0.35, 0.30)
GOES_WITH: Final = {
    "fashion": "beauty", "beauty": "baby", "baby": "food", "food": "home",
    "home": "electronics", "electronics": "books", "books": "sports", "sports": "fashion",
}  # fmt: skip
"""A ring: what a person takes to after a category, and after that."""
GOES_TOGETHER: Final = 0.7
"""Share of persons whose second category is the one after their first in the ring."""

EVENT_TYPES: Final = (
    "page_view", "product_view", "search", "add_to_cart", "checkout", "share",
    "comment", "referral", "coupon_use", "message_read", "login",
)  # fmt: skip
EVENT_WEIGHTS: Final = (
    0.330, 0.330, 0.100, 0.080, 0.030, 0.022, 0.020, 0.004, 0.022, 0.062, 0.0,
)  # fmt: skip
