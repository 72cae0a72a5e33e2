"""Short news items in several scripts, written for these measurements."""

from collections.abc import Mapping
from typing import Final

ENGLISH = """\
The city council of Hamburg decided on 14 March 2023 to spend 47.5 million euros on the renovation of the old harbour bridge.
Mayor Anna Petersen said that the work would begin in April and would take at least 18 months to complete.
According to the engineers, more than 3,200 lorries cross the river there on an ordinary working day.
It is not yet clear how the residents of Wilhelmsburg are going to get to the market while the road is closed.
A spokesman for the ferry company Nordlicht offered to run two additional boats between 6 and 9 in the morning.
Dr. Samuel Okafor, who teaches geology at the University of Leeds, has found fossils that are 380 million years old.
He told reporters that the discovery had been made by accident when a student dropped a hammer on a piece of slate.
The museum in Whitby will show 26 of the stones from June until the end of September, and admission will be free.
Last year the orchestra played for an audience of only 900 people, but this time the hall was sold out within an hour.
The price of wheat rose by 12 percent in the second quarter, while that of barley fell slightly to 198 dollars a tonne.
If the weather stays dry, the farmers of Saskatchewan expect to bring in the smallest harvest since 1988.
The satellite Kestrel-4 was launched from Kourou at 03:42 and reached its orbit 35 minutes later without any problem.
"""

GERMAN = """\
Der Stadtrat von Lübeck hat am 9. Februar 2024 beschlossen, 31,8 Millionen Euro für die Sanierung der alten Drehbrücke auszugeben.
Bürgermeisterin Katharina Wiese sagte, die Arbeiten würden im Mai beginnen und mindestens 22 Monate dauern.
Nach Angaben der Ingenieure überqueren dort an einem gewöhnlichen Werktag mehr als 4.100 Fahrzeuge den Fluss.
Noch ist nicht klar, wie die Bewohner von Travemünde während der Sperrung zum Wochenmarkt kommen sollen.
Ein Sprecher der Reederei Möwe bot an, zwischen 6 und 9 Uhr zwei zusätzliche Fähren fahren zu lassen.
Professor Heinrich Blaschke von der Universität Göttingen hat Versteinerungen gefunden, die 245 Millionen Jahre alt sind.
Er erzählte, die Entdeckung sei ein Zufall gewesen, weil einem Studenten der Hammer aus der Hand gefallen war.
Das Museum in Goslar zeigt von Juni bis Ende September 17 der Steine, und der Eintritt ist frei.
Im vergangenen Jahr spielte das Orchester vor nur 650 Zuhörern, doch diesmal war der Saal innerhalb einer Stunde ausverkauft.
Der Preis für Weizen stieg im zweiten Quartal um 8 Prozent, während Gerste mit 203 Euro je Tonne etwas billiger wurde.
Wenn es trocken bleibt, rechnen die Bauern in der Magdeburger Börde mit der kleinsten Ernte seit 2018.
Der Satellit Falke-2 startete um 04:17 Uhr in Kourou und erreichte nach 41 Minuten ohne Schwierigkeiten seine Umlaufbahn.
"""

CHINESE = """\
杭州市政府在2023年3月14日决定，拨款4750万元修复城北的老拱桥。
市长陈志远表示，工程将于四月开始，至少需要18个月才能完成。
据工程师介绍，平常的工作日里每天有超过3200辆卡车从那里过河。
目前还不清楚，在道路封闭期间，余杭区的居民应该怎样去集市。
轮渡公司“北光”的发言人说，他们愿意在早上6点到9点之间增加两艘船。
在南京大学教地质学的王丽华教授发现了3.8亿年前的化石。
她告诉记者，这个发现是偶然的，因为一名学生不小心把锤子掉在了一块石板上。
苏州博物馆将从六月到九月底展出其中的26块石头，参观是免费的。
去年乐团只有900名观众，但是这一次音乐厅的票在一个小时之内就卖完了。
第二季度小麦的价格上涨了百分之12，而大麦的价格略有下降，每吨1420元。
如果天气继续干燥，黑龙江的农民估计今年的收成将是1998年以来最少的。
卫星“红隼四号”于3点42分在文昌发射，35分钟以后顺利进入了轨道。
"""

JAPANESE = """\
横浜市議会は2023年3月14日、古い港の橋を直すために47億5千万円を使うことを決めました。
佐藤美咲市長は、工事は四月に始まり、少なくとも18か月かかると話しています。
技術者によると、普通の平日にはその川を3200台を超えるトラックが渡るということです。
道路が閉じられている間、鶴見区の住民がどのようにして市場へ行くのかは、まだ分かっていません。
フェリー会社ノースライトの担当者は、朝6時から9時までの間に船を二つ増やすと言っています。
京都大学で地質学を教えている山田健一教授が、3億8千万年前の化石を見つけました。
学生が石の板の上にハンマーを落としたので、偶然に見つかったのだと記者に語りました。
奈良の博物館は六月から九月の終わりまで、そのうちの26個の石を無料で見せる予定です。
去年のオーケストラの客は900人だけでしたが、今度は一時間のうちに席がすべて売れました。
小麦の値段は第二四半期に12パーセント上がり、大麦は少し下がって1トン2万8千円になりました。
このまま雨が降らなければ、北海道の農家は1993年から一番少ない収穫になると考えています。
人工衛星はやぶさ四号は3時42分に種子島から打ち上げられ、35分後に問題なく軌道に入りました。
"""

ARABIC = """\
قرر مجلس مدينة الإسكندرية في 14 مارس 2023 إنفاق 47 مليون جنيه على ترميم جسر الميناء القديم.
وقالت رئيسة البلدية ليلى منصور إن العمل سيبدأ في أبريل وسيستغرق 18 شهرا على الأقل.
وبحسب المهندسين فإن أكثر من 3200 شاحنة تعبر النهر من هناك في يوم عمل عادي.
وليس من الواضح بعد كيف سيصل سكان المنتزه إلى السوق عندما يكون الطريق مغلقا.
وعرض متحدث باسم شركة العبارات نور الشمال تشغيل قاربين إضافيين بين الساعة 6 والساعة 9 صباحا.
اكتشف الدكتور سامي الخطيب الذي يدرس الجيولوجيا في جامعة دمشق حفريات عمرها 380 مليون سنة.
وقال للصحفيين إن هذا الاكتشاف حدث بالصدفة عندما سقطت مطرقة من يد أحد الطلاب على قطعة من الحجر.
وسيعرض متحف الأقصر 26 من هذه الأحجار من يونيو حتى نهاية سبتمبر وسيكون الدخول مجانيا.
في العام الماضي عزفت الفرقة أمام 900 شخص فقط ولكن هذه المرة بيعت كل التذاكر خلال ساعة واحدة.
ارتفع سعر القمح بنسبة 12 في المئة في الربع الثاني بينما انخفض سعر الشعير قليلا إلى 198 دولارا للطن.
وإذا بقي الطقس جافا فإن المزارعين في الفيوم يتوقعون أقل محصول منذ عام 1988.
أطلق القمر الصناعي صقر 4 في الساعة 03:42 ووصل إلى مداره بعد 35 دقيقة دون أي مشكلة.
"""

HINDI = """\
जयपुर की नगर परिषद ने 14 मार्च 2023 को पुराने पुल की मरम्मत पर 47 करोड़ रुपये खर्च करने का फैसला किया।
महापौर सुनीता शर्मा ने कहा कि काम अप्रैल में शुरू होगा और इसमें कम से कम 18 महीने लगेंगे।
इंजीनियरों के अनुसार किसी सामान्य दिन में 3200 से अधिक ट्रक वहाँ से नदी पार करते हैं।
अभी यह साफ नहीं है कि सड़क बंद होने पर सांगानेर के लोग बाज़ार तक कैसे पहुँचेंगे।
नाव कंपनी उत्तर ज्योति के प्रवक्ता ने सुबह 6 से 9 बजे के बीच दो और नावें चलाने की बात कही।
दिल्ली विश्वविद्यालय में भूविज्ञान पढ़ाने वाले डॉक्टर राजेश वर्मा को 38 करोड़ साल पुराने जीवाश्म मिले हैं।
उन्होंने पत्रकारों को बताया कि यह खोज संयोग से हुई जब एक छात्र के हाथ से हथौड़ा पत्थर पर गिर गया।
उदयपुर का संग्रहालय जून से सितंबर के अंत तक इनमें से 26 पत्थर दिखाएगा और प्रवेश मुफ्त होगा।
पिछले साल केवल 900 लोग संगीत सुनने आए थे लेकिन इस बार सारे टिकट एक घंटे में बिक गए।
दूसरी तिमाही में गेहूँ का दाम 12 प्रतिशत बढ़ा जबकि जौ का दाम थोड़ा घटकर 2150 रुपये हो गया।
अगर मौसम सूखा रहा तो पंजाब के किसानों को 1988 के बाद सबसे कम फसल मिलने की आशंका है।
उपग्रह बाज़ 4 को सुबह 03:42 पर श्रीहरिकोटा से छोड़ा गया और वह 35 मिनट बाद अपनी कक्षा में पहुँच गया।
"""

THAI = """\
สภาเมืองเชียงใหม่ตัดสินใจเมื่อวันที่ 14 มีนาคม 2566 ว่าจะใช้เงิน 47 ล้านบาทเพื่อซ่อมแซมสะพานเก่า
นายกเทศมนตรีสมหญิง ใจดี กล่าวว่างานจะเริ่มในเดือนเมษายนและจะใช้เวลาอย่างน้อย 18 เดือน
วิศวกรบอกว่าในวันทำงานปกติมีรถบรรทุกมากกว่า 3,200 คันข้ามแม่น้ำที่นั่น
ยังไม่ชัดเจนว่าชาวบ้านในอำเภอสันทรายจะไปตลาดอย่างไรในขณะที่ถนนถูกปิด
โฆษกของบริษัทเรือแสงเหนือเสนอว่าจะเพิ่มเรืออีกสองลำระหว่างเวลา 6 ถึง 9 โมงเช้า
ดร.วิชัย สุวรรณ ซึ่งสอนธรณีวิทยาที่มหาวิทยาลัยมหิดล ได้พบซากดึกดำบรรพ์ที่มีอายุ 380 ล้านปี
เขาบอกกับนักข่าวว่าการค้นพบนี้เกิดขึ้นโดยบังเอิญเมื่อนักศึกษาคนหนึ่งทำค้อนตกลงบนแผ่นหิน
พิพิธภัณฑ์ในอยุธยาจะแสดงหิน 26 ก้อนตั้งแต่เดือนมิถุนายนถึงสิ้นเดือนกันยายนโดยไม่เสียค่าเข้าชม
ปีที่แล้ววงดนตรีมีผู้ชมเพียง 900 คน แต่ครั้งนี้บัตรทั้งหมดถูกขายหมดภายในหนึ่งชั่วโมง
ราคาข้าวสาลีเพิ่มขึ้นร้อยละ 12 ในไตรมาสที่สอง ส่วนราคาข้าวบาร์เลย์ลดลงเล็กน้อยเหลือ 198 ดอลลาร์ต่อตัน
ถ้าอากาศยังคงแห้งแล้ง ชาวนาในจังหวัดสุรินทร์คาดว่าจะได้ผลผลิตน้อยที่สุดตั้งแต่ปี 2531
ดาวเทียมเหยี่ยว 4 ถูกปล่อยเมื่อเวลา 03:42 และเข้าสู่วงโคจรในอีก 35 นาทีต่อมาโดยไม่มีปัญหา
"""

PROSE: Final[Mapping[str, str]] = {
    "English": ENGLISH,
    "German": GERMAN,
    "Chinese": CHINESE,
    "Japanese": JAPANESE,
    "Arabic": ARABIC,
    "Hindi": HINDI,
    "Thai": THAI,
}
