//! Signs, codes and names of currencies, as shops write them, with the ISO 4217 code that each means, where it means one.
//!
//! The signs are those of the `price-parser` package (BSD-3-Clause, Scrapinghub), and more that its test suite asks for.

#[rustfmt::skip]
/// Whatever stands around them, these are currencies. Where one holds another, it comes first.
pub const PLAIN: &[(&str, &str)] = &[
    ("AU $", "AUD"), ("US $", "USD"), ("CAD$", "CAD"), ("CAN$", "CAD"), ("GY$", ""), ("G$", ""), ("$b", ""), ("E£", ""), ("R₣", ""),
    ("Bds$", ""), ("CUC$", ""), ("MOP$", ""), ("AR$", ""), ("AU$", "AUD"), ("BN$", ""), ("BZ$", ""), ("CA$", "CAD"),
    ("CL$", ""), ("CO$", ""), ("CV$", ""), ("HK$", "HKD"), ("MX$", "MXN"), ("NT$", "TWD"), ("NZ$", "NZD"),
    ("TT$", "TTD"), ("RD$", "DOP"), ("WS$", ""), ("US$", "USD"), ("$U", ""), ("C$", "CAD"), ("J$", ""), ("N$", ""),
    ("R$", "BRL"), ("S$", "SGD"), ("T$", ""), ("Z$", ""), ("A$", "AUD"), ("SY£", ""), ("LB£", ""), ("CN¥", "CNY"),
    ("GH₵", ""), ("$", ""), ("€", "EUR"), ("£", "GBP"), ("zł", "PLN"), ("Zł", "PLN"), ("Kč", "CZK"), ("₽", "RUB"),
    ("¥", ""), ("￥", ""), ("฿", "THB"), ("դր.", ""), ("դր", ""), ("₦", "NGN"), ("₴", "UAH"), ("₱", "PHP"),
    ("৳", "BDT"), ("₭", "LAK"), ("₪", "ILS"), ("﷼", ""), ("៛", "KHR"), ("₩", "KRW"), ("₫", "VND"), ("₡", "CRC"),
    ("টকা", ""), ("ƒ", ""), ("₲", "PYG"), ("؋", ""), ("₮", "MNT"), ("नेरू", ""), ("₨", ""), ("₶", ""), ("₾", "GEL"),
    ("֏", "AMD"), ("ރ", ""), ("৲", ""), ("૱", ""), ("௹", ""), ("₠", ""), ("₢", ""), ("₣", ""), ("₤", ""), ("₧", ""),
    ("₯", ""), ("₰", ""), ("₳", ""), ("₷", ""), ("₸", "KZT"), ("₹", "INR"), ("₺", "TRY"), ("₼", "AZN"), ("₾", "GEL"),
    ("₿", ""), ("ℳ", ""), ("ر.ق.\u{200f}", ""), ("د.ك.\u{200f}", ""), ("د.ع.\u{200f}", ""), ("ر.ع.\u{200f}", ""),
    ("ر.ي.\u{200f}", ""), ("ر.س.\u{200f}", ""), ("د.ج.\u{200f}", ""), ("د.م.\u{200f}", ""), ("د.إ.\u{200f}", ""),
    ("د.ت.\u{200f}", ""), ("د.ل.\u{200f}", ""), ("ل.س.\u{200f}", ""), ("د.ب.\u{200f}", ""), ("د.أ.\u{200f}", ""),
    ("ج.م.\u{200f}", ""), ("ل.ل.\u{200f}", ""), ("تومان", ""), ("درهم", ""), ("ريال", ""),
    ("جنيه", ""), ("EUR", "EUR"), ("euro", "EUR"), ("eur", "EUR"), ("CHF", "CHF"), ("DKK", "DKK"), ("Rp", "IDR"),
    ("lei", "RON"), ("руб.", ""), ("руб", ""), ("грн.", "UAH"), ("грн", "UAH"), ("дин.", ""), ("Dinara", ""),
    ("динар", ""), ("лв.", "BGN"), ("лв", "BGN"), ("р.", ""), ("тңг", ""), ("тңг.", ""), ("ман.", ""),
];

#[rustfmt::skip]
/// Codes and short words: less certain, since letters occur in other words. Longest first.
pub const CODES: &[(&str, &str)] = &[
    ("tolarjev", ""), ("D-Mark", ""), ("kroon", ""), ("Sucre", ""), ("Bs.F.", ""), ("SL Re", ""), ("Δρχ.", ""),
    ("FCFA", ""), ("FrCD", ""), ("ریال", ""), ("Ptas", ""), ("PKRs", ""), ("din.", ""), ("man.", ""), ("MURs", ""),
    ("litų", ""), ("SLRs", ""), ("Afl.", ""), ("NPRs", ""), ("THB", "THB"), ("AED", "AED"), ("MMK", "MMK"),
    ("MAD", "MAD"), ("SAR", "SAR"), ("Nkr", ""), ("MRf", ""), ("GEL", "GEL"), ("MGA", "MGA"), ("FBu", ""),
    ("XUA", ""), ("TJS", "TJS"), ("BHD", "BHD"), ("GIP", "GIP"), ("GTQ", "GTQ"), ("VAL", ""), ("LYD", "LYD"),
    ("XAG", ""), ("UYU", "UYU"), ("AZN", "AZN"), ("SSP", "SSP"), ("LRD", "LRD"), ("NIO", "NIO"), ("BOB", "BOB"),
    ("PKR", "PKR"), ("JPY", "JPY"), ("CYP", ""), ("TTD", "TTD"), ("CZK", "CZK"), ("BWP", "BWP"), ("SBD", "SBD"),
    ("BBD", "BBD"), ("IMP", ""), ("CFA", ""), ("ANG", "ANG"), ("HNL", "HNL"), ("MTL", ""), ("AFN", "AFN"),
    ("RMB", ""), ("MYR", "MYR"), ("AOA", "AOA"), ("XAF", "XAF"), ("XBA", ""), ("ISK", "ISK"), ("RUB", "RUB"),
    ("BMD", "BMD"), ("SCR", "SCR"), ("ZWL", "ZWL"), ("BZD", "BZD"), ("XDR", ""), ("fl.", ""), ("FKP", "FKP"),
    ("GNF", "GNF"), ("RWF", "RWF"), ("XPF", "XPF"), ("COP", "COP"), ("FJD", "FJD"), ("BGN", "BGN"), ("AMD", "AMD"),
    ("Fdj", ""), ("BSD", "BSD"), ("XAU", ""), ("ITL", ""), ("XPD", ""), ("leu", ""), ("HRK", ""), ("Ssh", ""),
    ("KWD", "KWD"), ("AFL", ""), ("RON", "RON"), ("MOP", "MOP"), ("KES", "KES"), ("GBP", "GBP"), ("KMF", "KMF"),
    ("QAR", "QAR"), ("HKD", "HKD"), ("SLL", ""), ("ZMK", ""), ("CFP", ""), ("ILS", "ILS"), ("Nfk", ""),
    ("GHS", "GHS"), ("KPW", "KPW"), ("XPT", ""), ("MTn", ""), ("DJF", "DJF"), ("TWD", "TWD"), ("TRY", "TRY"),
    ("PAB", "PAB"), ("ETB", "ETB"), ("IR£", ""), ("TVD", ""), ("KYD", "KYD"), ("fr.", ""), ("Ikr", ""), ("XBD", ""),
    ("PTE", ""), ("INR", "INR"), ("XBB", ""), ("MWK", "MWK"), ("ERN", "ERN"), ("EEK", ""), ("PHP", "PHP"),
    ("UZS", "UZS"), ("DZD", "DZD"), ("RSD", "RSD"), ("KRW", "KRW"), ("USD", "USD"), ("MKD", "MKD"), ("VND", "VND"),
    ("CUC", ""), ("BTN", "BTN"), ("mk.", ""), ("HTG", "HTG"), ("CHE", ""), ("BDT", "BDT"), ("LBP", "LBP"),
    ("EGP", "EGP"), ("SHP", "SHP"), ("USN", ""), ("VEF", ""), ("IDR", "IDR"), ("CNY", "CNY"), ("UAH", "UAH"),
    ("GYD", "GYD"), ("BIF", "BIF"), ("ZWD", ""), ("Skr", ""), ("NPR", "NPR"), ("IRR", "IRR"), ("BOV", ""),
    ("SKK", ""), ("NGN", "NGN"), ("Pts", ""), ("Ksh", ""), ("AUD", "AUD"), ("JEP", ""), ("NZD", "NZD"),
    ("CVE", "CVE"), ("STD", ""), ("MVR", "MVR"), ("COU", ""), ("MDL", "MDL"), ("GGP", ""), ("ATS", ""),
    ("TMT", "TMT"), ("USh", ""), ("MUR", "MUR"), ("pln", "PLN"), ("BEF", ""), ("HUF", "HUF"), ("PEN", "PEN"),
    ("Nu.", ""), ("CLF", ""), ("OMR", "OMR"), ("KZT", "KZT"), ("MZN", "MZN"), ("MRO", ""), ("PGK", "PGK"),
    ("S/.", ""), ("CAD", "CAD"), ("MNT", "MNT"), ("CLP", "CLP"), ("YER", "YER"), ("CDF", "CDF"), ("NOK", "NOK"),
    ("BRL", "BRL"), ("PYG", "PYG"), ("SOS", "SOS"), ("CUP", "CUP"), ("KGS", "KGS"), ("JMD", "JMD"), ("LKR", "LKR"),
    ("NAD", "NAD"), ("SVC", "SVC"), ("PRB", ""), ("Δρ.", ""), ("DOP", "DOP"), ("WST", "WST"), ("Lek", ""),
    ("CHW", ""), ("Fr.", ""), ("BND", "BND"), ("ARS", "ARS"), ("Pta", ""), ("IEP", ""), ("IQD", "IQD"),
    ("CRC", "CRC"), ("LSL", "LSL"), ("NTD", ""), ("XSU", ""), ("ESP", ""), ("NLG", ""), ("UGX", "UGX"), ("DEM", ""),
    ("PLN", "PLN"), ("ALL", "ALL"), ("SZL", "SZL"), ("JOD", "JOD"), ("MXV", ""), ("GRD", ""), ("VUV", "VUV"),
    ("LEI", ""), ("AWG", "AWG"), ("XOF", "XOF"), ("Dkr", ""), ("XCD", "XCD"), ("LTL", ""), ("XBC", ""), ("TSh", ""),
    ("SEK", "SEK"), ("B/.", ""), ("LAK", "LAK"), ("TND", "TND"), ("GMD", "GMD"), ("TZS", "TZS"), ("LUF", ""),
    ("FIM", ""), ("UYI", ""), ("ZMW", "ZMW"), ("SYP", "SYP"), ("XTS", ""), ("SGD", "SGD"), ("SIT", ""), ("Lei", ""),
    ("SDG", "SDG"), ("TOP", "TOP"), ("KHR", "KHR"), ("BAM", "BAM"), ("LVL", ""), ("ZAR", "ZAR"), ("FRF", ""),
    ("SRD", "SRD"), ("MXN", "MXN"), ("BYN", "BYN"), ("MRU", "MRU"), ("SLE", "SLE"), ("STN", "STN"), ("VES", "VES"),
    ("kr", ""), ("Lm", ""), ("kn", ""), ("JD", ""), ("Rf", ""), ("Br", ""), ("FG", ""), ("MK", ""), ("Ls", ""),
    ("Lt", ""), ("Rs", ""), ("KD", ""), ("ZK", ""), ("KM", ""), ("SR", ""), ("UM", ""), ("Ft", "HUF"), ("FC", ""),
    ("Pt", ""), ("DA", ""), ("UF", ""), ("Kz", ""), ("Sk", ""), ("BD", ""), ("CF", ""), ("FR", ""), ("RM", ""),
    ("LD", ""), ("Tk", ""), ("Bs", ""), ("QR", ""), ("VT", ""), ("Af", ""), ("TL", ""), ("öS", ""), ("DT", ""),
    ("Db", ""), ("Le", ""), ("DM", ""), ("YR", ""), ("đ", ""), ("र", ""), ("Р", ""), ("р", ""), ("円", "JPY"),
    ("원", "KRW"),
];

#[rustfmt::skip]
/// Words and letters that mean other things too: only beside a number. Longest first.
pub const BESIDE_NUMBERS: &[(&str, &str)] = &[
    ("دينار أردني", ""), ("دينار كويتي", ""), ("francs", ""), ("franc", ""), ("نافكا", ""), ("pound", ""),
    ("دينار", ""), (".د.ب", ""), ("ج.س.", ""), 
    ("lari", ""), ("so'm", ""), ("yuan", ""), ("ლარი", ""), ("KShs", ""), ("Euro", "EUR"), ("yen", ""), ("บาท", ""),
    ("ر.س", ""), ("ج.م", ""), ("ናቕፋ", ""), ("GFr", ""), ("ع.د", ""), ("KSh", ""), ("د.ك", ""), ("ل.د", ""),
    ("ден", ""), ("ДЕН", ""), ("د.إ", ""), ("FRw", ""), ("Дин", ""), ("SPL", ""), ("د.ت", ""), 
    ("BTC", ""), ("CHf", "CHF"), ("Dhs", ""), ("Esc", ""), ("Fbu", ""), ("Rbl", ""), ("SFr", ""), ("VNĐ", ""),
    ("din", ""), ("hrn", ""), ("kwz", ""), ("nis", ""), ("som", ""), ("stg", ""), ("дин", ""), ("ש״ח", ""),
    ("ج.س", ""), ("د.أ", ""), ("د.ا", ""), ("د.ج", ""), ("د.م", ""), ("ر.ع", ""), ("ر.ق", ""), ("ش.ج", ""),
    ("ل.س", ""), ("ل.ل", ""), ("人民币", "CNY"), ("GBp", ""), ("nzd", "NZD"), ("mkd", "MKD"), ("CND", ""),
    ("chf", "CHF"), ("ש\"ח", ""), ("ש'ח", ""), ("د.ع", ""), ("د.ل", ""), ("ر.ي", ""), ("ش.ص", ""), ("Kr", ""),
    ("zl", ""), ("دج", ""), ("ብር", ""), ("د.", ""), ("Ar", ""), ("MT", ""), ("RF", ""),
    ("Dh", ""), ("ID", ""), ("Ks", ""), ("NT", ""), ("Nu", ""), ("Re", ""), ("S/", ""),
    ("Sl", ""), ("Vt", ""), ("Sʻ", ""), ("S'", ""), ("км", ""), ("ரூ", ""), ("රු", ""), ("тг", ""), ("元", ""),
    ("q", ""), ("Q", ""), ("P", ""), ("E", ""), ("D", ""), ("ლ", ""), ("¢", ""), ("₵", ""), ("L", ""), ("K", ""),
    ("Ƀ", ""), ("с", ""), ("圆", ""), ("圓", ""), ("￡", "GBP"), ("G", ""), ("R", ""),
];
