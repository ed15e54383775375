//! The words of dates: months, days of the week, zones, and what stands between them, in the languages that feeds use.

/// Words between the parts of a date.
pub(super) fn is_filler(word: &str) -> bool {
    const FILLERS: [&str; 14] = ["of", "the", "at", "de", "del", "den", "le", "um", "uhr", "à", "a", "og", "on", "г"];
    word.len() > 1 && FILLERS.iter().any(|filler| filler.eq_ignore_ascii_case(word)) || word == "à" || word == "г"
}

/// Zones that we do not know are read as UTC, if they look like zones.
pub(super) fn is_unknown_zone(word: &str) -> bool {
    (2..=5).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase())
}

/// A zone by its name, minutes east of Greenwich. Of names with several meanings, the one that feeds use.
pub(super) fn zone_name(name: &str) -> Option<i32> {
    let mut buffer = [0_u8; 8];
    let upper = buffer.get_mut(..name.len())?;
    upper.copy_from_slice(name.as_bytes());
    upper.make_ascii_uppercase();
    let minutes = match &*upper {
        b"GMT" | b"UTC" | b"UT" | b"Z" | b"WET" | b"UCT" | b"ZULU" => 0,
        b"EST" => -5 * 60,
        b"EDT" => -4 * 60,
        b"CST" => -6 * 60,
        b"CDT" => -5 * 60,
        b"MST" => -7 * 60,
        b"MDT" => -6 * 60,
        b"PST" => -8 * 60,
        b"PDT" => -7 * 60,
        b"AST" | b"CLT" => -4 * 60,
        b"ADT" | b"BRT" | b"ART" | b"CLST" => -3 * 60,
        b"NST" => -(3 * 60 + 30),
        b"NDT" => -(2 * 60 + 30),
        b"AKST" => -9 * 60,
        b"AKDT" => -8 * 60,
        b"HST" | b"HAST" => -10 * 60,
        b"BST" | b"CET" | b"MET" | b"WEST" | b"MEZ" | b"WAT" => 60,
        b"CEST" | b"MEST" | b"MESZ" | b"EET" | b"SAST" | b"CAT" => 2 * 60,
        b"EEST" | b"MSK" | b"EAT" | b"TRT" => 3 * 60,
        b"MSD" | b"GST" => 4 * 60,
        b"PKT" => 5 * 60,
        b"IST" => 5 * 60 + 30,
        b"NPT" => 5 * 60 + 45,
        b"WIB" | b"ICT" => 7 * 60,
        b"HKT" | b"SGT" | b"AWST" | b"PHT" | b"MYT" => 8 * 60,
        b"JST" | b"KST" => 9 * 60,
        b"ACST" => 9 * 60 + 30,
        b"AEST" => 10 * 60,
        b"AEDT" => 11 * 60,
        b"NZST" => 12 * 60,
        b"NZDT" => 13 * 60,
        // RFC 822 §5.1, military: A is one hour behind, N one ahead; J is not used.
        [letter @ b'A'..=b'I'] => -60 * i32::from(letter - b'A' + 1),
        [letter @ b'K'..=b'M'] => -60 * i32::from(letter - b'A'),
        [letter @ b'N'..=b'Y'] => 60 * i32::from(letter - b'N' + 1),
        _ => return None,
    };
    Some(minutes)
}

/// A day of the week in any of the languages; its value does not matter, the date says it.
pub(super) fn is_weekday(word: &str) -> bool {
    let lower = word.to_lowercase();
    // Three letters tell them in most languages; whole names are longer and begin with them.
    const DAYS: [&str; 86] = [
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so", "die", "mit", "don",
        "fre", "sam", "son", "lun", "mar", "mer", "jeu", "ven", "dim", "mié", "mie", "jue", "vie", "sáb", "sab", "dom",
        "gio", "seg", "ter", "qua", "qui", "sex", "maa", "din", "woe", "vri", "zat", "zon", "man", "tir", "ons", "tor",
        "lør", "lör", "søn", "sön", "mån", "fred", "пн", "вт", "ср", "чт", "пт", "сб", "вс", "пон", "pon", "wto",
        "śro", "czw", "pią", "nie", "κυρ", "δευ", "τρι", "tis", "sob", "szo", "ma", "wo", "vr", "za", "zo", "po", "út",
        "st", "čt", "pá", "ne",
    ];
    const GREEK_AND_MORE: [&str; 24] = [
        "τετ",
        "πεμ",
        "παρ",
        "σαβ",
        "σάβ",
        "τρί",
        "πέμ",
        "τετάρτη",
        "втор",
        "сред",
        "четв",
        "пятн",
        "субб",
        "воск",
        "paz",
        "pzt",
        "sal",
        "çar",
        "per",
        "cum",
        "cmt",
        "hét",
        "ked",
        "sze",
    ];
    DAYS.iter()
        .chain(&GREEK_AND_MORE)
        .any(|day| if day.chars().count() < 3 { lower == **day } else { lower.starts_with(day) })
}

/// 1 to 12 by the name of a month, whole or short, in the languages that feeds are written in.
pub(super) fn month(word: &str) -> Option<u32> {
    let english = |word: &str| {
        let head = word.get(..3)?;
        let at = ENGLISH.iter().position(|name| name[..3].eq_ignore_ascii_case(head))?;
        let rest_fits = word.len() == 3 || ENGLISH[at].eq_ignore_ascii_case(word) || word.eq_ignore_ascii_case("sept");
        rest_fits.then_some(at)
    };
    let at = english(word).or_else(|| {
        let lower = word.to_lowercase();
        OTHER_MONTHS.iter().position(|names| names.split(' ').any(|name| name == lower))
    })?;
    u32::try_from(at + 1).ok()
}

pub(super) const ENGLISH: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// German, French, Spanish, Italian, Portuguese, Dutch, Scandinavian, Polish, Czech, Russian, Greek, Hungarian, Turkish;
/// lower case, with and without what is left out in short forms.
const OTHER_MONTHS: [&str; 12] = [
    "januar jänner jän janv janvier enero ene gennaio gen janeiro januari stycznia styczeń sty ledna led января январь янв ιανουαρίου ιανουάριος ιαν január jan ocak oca",
    "februar feber févr fév février fevrier febrero febbraio fevereiro fev februari lutego luty lut února úno февраля февраль фев φεβρουαρίου φεβρουάριος φεβ február febr şubat şub",
    "märz mär maerz mrz mars marzo março marco maart mrt marca marzec března bře марта март мар μαρτίου μάρτιος μάρ μαρ március márc mart",
    "avril avr abril abr aprile april kwietnia kwiecień kwi dubna dub апреля апрель апр απριλίου απρίλιος απρ április ápr nisan nis",
    "mai mayo maggio mag maio mei maj maja května kvě мая май μαΐου μάιος μάϊ μαϊ μαΪ μάι május máj mayıs",
    "juni juin junio giugno giu junho jun czerwca czerwiec cze června июня июнь июн ιουνίου ιούνιος ιούν ιουν ιον június jún haziran haz",
    "juli juillet juil julio luglio lug julho lipca lipiec lip července июля июль июл ιουλίου ιούλιος ιούλ ιουλ július júl temmuz tem",
    "août aout agosto ago augustus augusti sierpnia sierpień sie srpna srp августа август авг αυγούστου αύγουστος αύγ αυγ augusztus ağustos ağu",
    "septembre septiembre setiembre settembre set setembro septembre sept września wrzesień wrz září zář сентября сентябрь сен сент σεπτεμβρίου σεπτέμβριος σεπ szeptember szept eylül eyl",
    "oktober okt octobre octubre ottobre ott outubro out października październik paź října říj октября октябрь окт οκτωβρίου οκτώβριος οκτ október ekim eki",
    "noviembre novembre novembro listopada listopad lis ноября ноябрь ноя нояб νοεμβρίου νοέμβριος νοέ νοε kasım kas",
    "dezember dez décembre déc decembre diciembre dic dicembre dezembro december desember des grudnia grudzień gru prosince pro декабря декабрь дек δεκεμβρίου δεκέμβριος δεκ aralık ara",
];
