//! Where a telephone number's clock is: by its country, in North America by its area code.
//!
//! Countries with one zone, or with one in which nearly all live, are here; Russia, Brazil, Australia, Indonesia, Kazakhstan and Mongolia
//! are not, and of North America only area codes that lie in one zone: for those the list or the campaign has to say it.

/// Country codes and the zones of their capitals.
const COUNTRIES: &[(&str, &str)] = &[
    ("20", "Africa/Cairo"),
    ("211", "Africa/Juba"),
    ("212", "Africa/Casablanca"),
    ("213", "Africa/Algiers"),
    ("216", "Africa/Tunis"),
    ("218", "Africa/Tripoli"),
    ("220", "Africa/Banjul"),
    ("221", "Africa/Dakar"),
    ("225", "Africa/Abidjan"),
    ("233", "Africa/Accra"),
    ("234", "Africa/Lagos"),
    ("237", "Africa/Douala"),
    ("244", "Africa/Luanda"),
    ("249", "Africa/Khartoum"),
    ("250", "Africa/Kigali"),
    ("251", "Africa/Addis_Ababa"),
    ("254", "Africa/Nairobi"),
    ("255", "Africa/Dar_es_Salaam"),
    ("256", "Africa/Kampala"),
    ("258", "Africa/Maputo"),
    ("260", "Africa/Lusaka"),
    ("263", "Africa/Harare"),
    ("264", "Africa/Windhoek"),
    ("267", "Africa/Gaborone"),
    ("27", "Africa/Johannesburg"),
    ("30", "Europe/Athens"),
    ("31", "Europe/Amsterdam"),
    ("32", "Europe/Brussels"),
    ("33", "Europe/Paris"),
    ("350", "Europe/Gibraltar"),
    ("352", "Europe/Luxembourg"),
    ("353", "Europe/Dublin"),
    ("354", "Atlantic/Reykjavik"),
    ("355", "Europe/Tirane"),
    ("356", "Europe/Malta"),
    ("357", "Asia/Nicosia"),
    ("358", "Europe/Helsinki"),
    ("359", "Europe/Sofia"),
    ("36", "Europe/Budapest"),
    ("370", "Europe/Vilnius"),
    ("371", "Europe/Riga"),
    ("372", "Europe/Tallinn"),
    ("373", "Europe/Chisinau"),
    ("374", "Asia/Yerevan"),
    ("375", "Europe/Minsk"),
    ("376", "Europe/Andorra"),
    ("377", "Europe/Monaco"),
    ("380", "Europe/Kyiv"),
    ("381", "Europe/Belgrade"),
    ("382", "Europe/Podgorica"),
    ("383", "Europe/Belgrade"),
    ("385", "Europe/Zagreb"),
    ("386", "Europe/Ljubljana"),
    ("387", "Europe/Sarajevo"),
    ("389", "Europe/Skopje"),
    ("39", "Europe/Rome"),
    ("40", "Europe/Bucharest"),
    ("41", "Europe/Zurich"),
    ("420", "Europe/Prague"),
    ("421", "Europe/Bratislava"),
    ("423", "Europe/Vaduz"),
    ("43", "Europe/Vienna"),
    ("44", "Europe/London"),
    ("45", "Europe/Copenhagen"),
    ("46", "Europe/Stockholm"),
    ("47", "Europe/Oslo"),
    ("48", "Europe/Warsaw"),
    ("49", "Europe/Berlin"),
    ("502", "America/Guatemala"),
    ("503", "America/El_Salvador"),
    ("504", "America/Tegucigalpa"),
    ("505", "America/Managua"),
    ("506", "America/Costa_Rica"),
    ("507", "America/Panama"),
    ("51", "America/Lima"),
    ("53", "America/Havana"),
    ("54", "America/Argentina/Buenos_Aires"),
    ("57", "America/Bogota"),
    ("58", "America/Caracas"),
    ("591", "America/La_Paz"),
    ("595", "America/Asuncion"),
    ("598", "America/Montevideo"),
    ("60", "Asia/Kuala_Lumpur"),
    ("63", "Asia/Manila"),
    ("65", "Asia/Singapore"),
    ("66", "Asia/Bangkok"),
    ("673", "Asia/Brunei"),
    ("81", "Asia/Tokyo"),
    ("82", "Asia/Seoul"),
    ("84", "Asia/Ho_Chi_Minh"),
    ("852", "Asia/Hong_Kong"),
    ("853", "Asia/Macau"),
    ("855", "Asia/Phnom_Penh"),
    ("856", "Asia/Vientiane"),
    ("86", "Asia/Shanghai"),
    ("880", "Asia/Dhaka"),
    ("886", "Asia/Taipei"),
    ("90", "Europe/Istanbul"),
    ("91", "Asia/Kolkata"),
    ("92", "Asia/Karachi"),
    ("93", "Asia/Kabul"),
    ("94", "Asia/Colombo"),
    ("95", "Asia/Yangon"),
    ("960", "Indian/Maldives"),
    ("961", "Asia/Beirut"),
    ("962", "Asia/Amman"),
    ("963", "Asia/Damascus"),
    ("964", "Asia/Baghdad"),
    ("965", "Asia/Kuwait"),
    ("966", "Asia/Riyadh"),
    ("967", "Asia/Aden"),
    ("968", "Asia/Muscat"),
    ("970", "Asia/Hebron"),
    ("971", "Asia/Dubai"),
    ("972", "Asia/Jerusalem"),
    ("973", "Asia/Bahrain"),
    ("974", "Asia/Qatar"),
    ("975", "Asia/Thimphu"),
    ("977", "Asia/Kathmandu"),
    ("98", "Asia/Tehran"),
    ("992", "Asia/Dushanbe"),
    ("993", "Asia/Ashgabat"),
    ("994", "Asia/Baku"),
    ("995", "Asia/Tbilisi"),
    ("996", "Asia/Bishkek"),
    ("998", "Asia/Tashkent"),
];

/// Area codes of North America that lie in one zone.
const AREAS: &[(&str, &[u16])] = &[
    (
        "America/New_York",
        &[
            201, 202, 203, 212, 215, 216, 220, 223, 234, 239, 240, 252, 267, 272, 276, 301, 302, 304, 305, 315, 321, 326, 330,
            332, 336, 339, 347, 351, 352, 380, 386, 401, 404, 407, 410, 412, 413, 419, 434, 440, 443, 445, 470, 475, 478, 484,
            508, 513, 516, 518, 540, 551, 561, 567, 570, 571, 585, 603, 607, 609, 610, 614, 617, 631, 646, 667, 678, 680, 681,
            689, 703, 704, 706, 716, 717, 718, 724, 727, 732, 740, 743, 754, 757, 762, 770, 772, 774, 781, 786, 802, 803, 804,
            813, 814, 828, 835, 838, 843, 845, 848, 854, 856, 857, 860, 862, 863, 864, 878, 904, 908, 910, 912, 914, 917, 919,
            929, 934, 937, 941, 943, 947, 954, 959, 973, 978, 980, 984,
        ],
    ),
    ("America/Detroit", &[248, 269, 313, 517, 586, 616, 734, 810, 989]),
    (
        "America/Chicago",
        &[
            205, 210, 214, 217, 218, 224, 225, 228, 251, 254, 256, 262, 281, 309, 312, 314, 316, 318, 319, 320, 325, 331, 334,
            337, 346, 361, 402, 405, 409, 414, 417, 430, 432, 464, 469, 479, 501, 504, 507, 512, 515, 531, 534, 539, 557, 563,
            572, 573, 580, 601, 608, 612, 615, 618, 630, 636, 641, 651, 660, 662, 682, 708, 712, 713, 715, 726, 731, 737, 763,
            769, 773, 779, 806, 815, 816, 817, 830, 832, 847, 870, 901, 903, 913, 918, 920, 936, 938, 940, 945, 952, 956, 972,
            979, 985,
        ],
    ),
    ("America/Denver", &[303, 307, 385, 406, 435, 505, 575, 719, 720, 801, 970, 983]),
    ("America/Phoenix", &[480, 520, 602, 623]),
    (
        "America/Los_Angeles",
        &[
            206, 209, 213, 253, 279, 310, 323, 341, 360, 408, 415, 424, 425, 442, 503, 509, 510, 530, 559, 562, 564, 619, 626,
            628, 650, 657, 661, 669, 702, 707, 714, 725, 747, 760, 805, 818, 820, 831, 840, 858, 909, 916, 925, 949, 951, 971,
        ],
    ),
    ("Pacific/Honolulu", &[808]),
    ("America/Toronto", &[226, 289, 343, 365, 416, 437, 438, 450, 514, 519, 548, 613, 647, 705, 819, 905]),
    ("America/Winnipeg", &[204, 431]),
    ("America/Regina", &[306, 639]),
    ("America/Edmonton", &[403, 587, 780, 825]),
    ("America/Vancouver", &[236, 604, 672, 778]),
    ("America/Halifax", &[782, 902]),
    ("America/Puerto_Rico", &[787, 939]),
];

/// The zone of an E.164 number; `None`: its country has several, or is not known.
#[must_use]
pub fn of_number(phone: &str) -> Option<&'static str> {
    if let Some(rest) = phone.strip_prefix("+1") {
        let area: u16 = rest.get(..3)?.parse().ok()?;
        return AREAS.iter().find(|(_, areas)| areas.contains(&area)).map(|(zone, _)| *zone);
    }
    let code = code_of(phone)?;
    COUNTRIES.iter().find(|(one, _)| *one == code).map(|(_, zone)| *zone)
}

/// The country code that an E.164 number begins with, of those that are known; North America's is not told.
pub(super) fn code_of(phone: &str) -> Option<&'static str> {
    let digits = phone.strip_prefix('+')?;
    COUNTRIES.iter().map(|(code, _)| *code).find(|code| digits.starts_with(code))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn every_zone_is_one_of_the_database_and_no_code_begins_another() {
        for zone in COUNTRIES.iter().map(|(_, zone)| zone).chain(AREAS.iter().map(|(zone, _)| zone)) {
            assert!(TimeZone::get(zone).is_ok(), "{zone}");
        }
        for (place, (code, _)) in COUNTRIES.iter().enumerate() {
            let other = COUNTRIES.iter().skip(place + 1).find(|(other, _)| other.starts_with(code));
            assert_eq!(other, None, "{code}");
        }
        let mut areas: Vec<u16> = AREAS.iter().flat_map(|(_, areas)| areas.iter().copied()).collect();
        let all = areas.len();
        areas.sort_unstable();
        areas.dedup();
        assert_eq!(areas.len(), all, "an area code is in two zones");
    }

    #[test]
    fn a_number_has_the_clock_of_its_country_or_area() {
        let zones =
            ["+4930123456", "+14155550100", "+12125550100", "+16025550100", "+5511999999999", "+18005550100", "+3725550100"];
        let told: Vec<&str> = zones.into_iter().map(|phone| of_number(phone).unwrap_or("-")).collect();
        let expected = "Europe/Berlin America/Los_Angeles America/New_York America/Phoenix - - Europe/Tallinn";
        assert_eq!(told.join(" "), expected);
    }
}
