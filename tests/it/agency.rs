//! Agency copies, made up: what wires send and what their customers make of it. The same seed gives the same set.
//!
//! True copies are rewritten a little, cut to a teaser or a half, given paragraphs, headlines, datelines and
//! footers of their own. What must not be taken for copies is as like them as real desks make it: another story of the
//! same topic with the same people and the same background, weather and market reports out of one template, updates of a
//! live blog, notes under which a long footer stands.

/// One text as a source gives it.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Texts with the same number are one story.
    pub story: usize,
    pub source: usize,
    pub html: String,
}

/// About `stories` stories with their copies, and as many texts again that are no copies, in the order in which they come.
pub fn pieces(seed: u64, stories: usize) -> Vec<Piece> {
    let mut desk = Desk { dice: Dice(seed), pieces: Vec::new(), stories: 0 };
    let weeks: Vec<Week> = (0..stories.div_ceil(12)).map(|_| Week::of(&mut desk.dice)).collect();
    for story in 0..stories {
        let week = &weeks[story % weeks.len()];
        desk.story(week);
        match story % 8 {
            0 => desk.weather(),
            1 => desk.market(),
            2 => desk.live_update(week),
            3 => desk.footed_note(),
            _ => desk.follow_up(week),
        }
    }
    let mut dice = desk.dice;
    let mut pieces = desk.pieces;
    for at in (1..pieces.len()).rev() {
        pieces.swap(at, dice.below(at + 1));
    }
    pieces
}

/// Sources are numbered; these are the customers of the wire, which is source 0.
const CUSTOMERS: usize = 40;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn name(&mut self) -> String {
        const PARTS: [&str; 20] = [
            "bar", "den", "kel", "mor", "tas", "vin", "lor", "hem", "ost", "ra", "wick", "sel", "dan", "ur", "gar",
            "lin", "pel", "stro", "ney", "mal",
        ];
        let word: String = (0..self.between(2, 3)).map(|_| self.one(&PARTS)).collect();
        word[..1].to_uppercase() + &word[1..]
    }
}

const SUBJECTS: [&str; 40] = [
    "the committee",
    "a spokesman for the ministry",
    "the company",
    "union leaders",
    "the regional court",
    "investigators",
    "the opposition",
    "the central bank",
    "local residents",
    "the university",
    "a group of scientists",
    "the port authority",
    "the health service",
    "the football association",
    "prosecutors",
    "the airline",
    "an independent panel",
    "the city council",
    "police officers",
    "the energy regulator",
    "farmers in the north",
    "the prime minister",
    "the orchestra",
    "rescue workers",
    "the museum",
    "the railway operator",
    "two former directors",
    "the broadcaster",
    "border officials",
    "the insurer",
    "the defence ministry",
    "teachers",
    "the treasury",
    "a parliamentary inquiry",
    "the water utility",
    "the electoral office",
    "the drug maker",
    "the charity",
    "the shipping line",
    "volunteers",
];
const VERBS: [&str; 40] = [
    "announced",
    "rejected",
    "questioned",
    "approved",
    "postponed",
    "defended",
    "criticised",
    "welcomed",
    "investigated",
    "confirmed",
    "denied",
    "presented",
    "withdrew",
    "suspended",
    "promised to review",
    "called for",
    "agreed to fund",
    "warned against",
    "voted for",
    "signed",
    "opened",
    "closed",
    "restored",
    "published",
    "challenged",
    "won",
    "lost",
    "inspected",
    "demanded",
    "delayed",
    "supported",
    "ignored",
    "described",
    "measured",
    "celebrated",
    "abandoned",
    "extended",
    "replaced",
    "financed",
    "settled",
];
const QUALITIES: [&str; 64] = [
    "disputed",
    "northern",
    "regional",
    "missing",
    "public",
    "emergency",
    "ancient",
    "electric",
    "rural",
    "foreign",
    "cheap",
    "secret",
    "annual",
    "coastal",
    "historic",
    "private",
    "nuclear",
    "seasonal",
    "wireless",
    "wooden",
    "frozen",
    "joint",
    "temporary",
    "legal",
    "medical",
    "digital",
    "hidden",
    "broken",
    "popular",
    "expensive",
    "narrow",
    "colourful",
    "military",
    "industrial",
    "musical",
    "mobile",
    "partial",
    "voluntary",
    "radical",
    "modest",
    "urgent",
    "civil",
    "domestic",
    "remote",
    "scientific",
    "southern",
    "strategic",
    "surplus",
    "toxic",
    "unpaid",
    "vacant",
    "western",
    "younger",
    "daily",
    "early",
    "formal",
    "global",
    "hybrid",
    "idle",
    "junior",
    "local",
    "metal",
    "native",
    "open",
];
const THINGS: [&str; 96] = [
    "harbour",
    "pension",
    "railway",
    "hospital",
    "treaty",
    "fund",
    "plant",
    "flight",
    "ferry",
    "aircraft",
    "verdict",
    "border",
    "glacier",
    "merger",
    "tax",
    "bridge",
    "village",
    "rental",
    "tomb",
    "vaccine",
    "cathedral",
    "loan",
    "striker",
    "scooter",
    "census",
    "chairman",
    "map",
    "water",
    "broadcaster",
    "miner",
    "harvest",
    "mission",
    "dam",
    "wage",
    "patent",
    "wetland",
    "school",
    "tunnel",
    "bronze",
    "violin",
    "curfew",
    "doctor",
    "auction",
    "metro",
    "film",
    "turbine",
    "trial",
    "budget",
    "factory",
    "garden",
    "hotel",
    "island",
    "jury",
    "kitchen",
    "library",
    "market",
    "nurse",
    "orchard",
    "palace",
    "quarry",
    "reactor",
    "satellite",
    "theatre",
    "uniform",
    "valley",
    "warehouse",
    "yacht",
    "archive",
    "battery",
    "canal",
    "diploma",
    "engine",
    "forest",
    "gallery",
    "helmet",
    "insurance",
    "jewel",
    "kiosk",
    "laboratory",
    "memorial",
    "network",
    "office",
    "parade",
    "quota",
    "refuge",
    "stadium",
    "timber",
    "union",
    "vineyard",
    "wharf",
    "allotment",
    "bakery",
    "cinema",
    "drought",
    "exhibition",
    "fishery",
];
const CIRCUMSTANCES: [&str; 32] = [
    "after months of talks",
    "in a narrow vote late in the evening",
    "despite protests outside the building",
    "without giving further details",
    "according to documents seen by reporters",
    "for the second time this year",
    "as prices continued to rise",
    "before the summer recess",
    "under pressure from creditors",
    "at a crowded news conference",
    "because of safety concerns",
    "following a complaint by neighbours",
    "in spite of heavy rain",
    "with the support of smaller parties",
    "on the advice of engineers",
    "weeks ahead of the election",
    "during a visit to the region",
    "against the wishes of investors",
    "until further tests are complete",
    "in a letter to members",
    "after a leak of internal messages",
    "to the surprise of observers",
    "as part of a wider settlement",
    "while the talks went on",
    "in return for guarantees",
    "even though funds are short",
    "on the eve of the anniversary",
    "following the collapse of a supplier",
    "amid doubts about the figures",
    "with immediate effect",
    "once the review has ended",
    "over the objections of experts",
];
/// Pairs that an editor exchanges without a thought.
const SYNONYMS: [(&str, &str); 24] = [
    ("announced", "unveiled"),
    ("rejected", "turned down"),
    ("approved", "backed"),
    ("postponed", "put off"),
    ("criticised", "attacked"),
    ("confirmed", "acknowledged"),
    ("denied", "disputed"),
    ("called", "pressed"),
    ("plan", "scheme"),
    ("report", "paper"),
    ("company", "firm"),
    ("protests", "demonstrations"),
    ("late", "deep"),
    ("narrow", "tight"),
    ("crowded", "packed"),
    ("figures", "numbers"),
    ("months", "weeks"),
    ("heavy", "pouring"),
    ("details", "particulars"),
    ("rise", "climb"),
    ("talks", "negotiations"),
    ("building", "offices"),
    ("doubts", "questions"),
    ("members", "supporters"),
];

/// People and places that make the news for a while: other stories of the week name them too.
struct Week {
    people: Vec<String>,
    places: Vec<String>,
    background: Vec<String>,
}

impl Week {
    fn of(dice: &mut Dice) -> Week {
        let mut week = Week {
            people: (0..4).map(|_| format!("{} {}", dice.name(), dice.name())).collect(),
            places: (0..3).map(|_| dice.name()).collect(),
            background: Vec::new(),
        };
        week.background = (0..3).map(|_| paragraph(dice, &week, 2)).collect();
        week
    }
}

/// Four words that hardly ever meet again.
fn object(dice: &mut Dice) -> String {
    let link = dice.one(&["for the", "of a", "about the", "against a", "near the", "behind its"]);
    let (one, other) = (dice.one(&QUALITIES), dice.one(&QUALITIES));
    format!("the {one} {} {link} {other} {}", dice.one(&THINGS), dice.one(&THINGS))
}

fn sentence(dice: &mut Dice, week: &Week) -> String {
    let subject = match dice.below(5) {
        0 => week.people[dice.below(week.people.len())].clone(),
        _ => dice.one(&SUBJECTS).to_owned(),
    };
    let (verb, object, circumstance) = (dice.one(&VERBS), object(dice), dice.one(&CIRCUMSTANCES));
    let place = &week.places[dice.below(week.places.len())];
    let text = match dice.below(7) {
        0 => format!("{subject} {verb} {object} {circumstance}"),
        1 => format!("{circumstance}, {subject} in {place} {verb} {object}"),
        2 => {
            format!("“{subject} {verb} {object},” {} said on {}", week.people[dice.below(week.people.len())], day(dice))
        }
        3 => format!("{subject} {verb} {object}, which would cost {} million a year", dice.between(2, 970)),
        4 => format!("about {} people in {place} saw how {subject} {verb} {object}", dice.between(20, 9000)),
        5 => format!("{subject} {verb} {object} and {}", self::object(dice)),
        _ => format!("on {} {subject} {verb} {object} {circumstance} in {place}", day(dice)),
    };
    text[..text.chars().next().map_or(0, char::len_utf8)].to_uppercase()
        + &text[text.chars().next().map_or(0, char::len_utf8)..]
        + "."
}

fn day(dice: &mut Dice) -> &'static str {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    DAYS[dice.below(7)]
}

fn paragraph(dice: &mut Dice, week: &Week, sentences: usize) -> String {
    (0..sentences).map(|_| sentence(dice, week)).collect::<Vec<_>>().join(" ")
}

fn html(paragraphs: &[String]) -> String {
    paragraphs.iter().map(|paragraph| format!("<p>{paragraph}</p>\n")).collect()
}

fn footer(source: usize) -> String {
    let mut dice = Dice(source as u64 * 7919 + 17);
    let paper = format!("The {} {}", dice.name(), dice.one(&["Post", "Courier", "Herald", "Times", "Gazette"]));
    match source % 4 {
        0 => String::new(),
        1 => format!("(Reporting by the staff of {paper}; editing by {})", dice.name()),
        2 => format!(
            "{paper} is a member of the press council. Read more on our pages, or subscribe to the morning letter."
        ),
        _ => format!("© {paper}. All rights reserved. Follow us for more news from {} and the region.", dice.name()),
    }
}

struct Desk {
    dice: Dice,
    pieces: Vec<Piece>,
    stories: usize,
}

impl Desk {
    fn number(&mut self) -> usize {
        self.stories += 1;
        self.stories
    }

    fn push(&mut self, story: usize, source: usize, paragraphs: &[String]) {
        self.pieces.push(Piece { story, source, html: html(paragraphs) });
    }

    /// The wire's own text, and what one to four customers make of it.
    fn story(&mut self, week: &Week) {
        let story = self.number();
        let length = self.dice.between(4, 9);
        let mut original: Vec<String> = Vec::new();
        for _ in 0..length {
            let sentences = self.dice.between(2, 3);
            original.push(paragraph(&mut self.dice, week, sentences));
        }
        original[0] = format!("{}, {} (Wire) - {}", week.places[0].to_uppercase(), day(&mut self.dice), original[0]);
        if self.dice.chance(30) {
            original.push(week.background[self.dice.below(week.background.len())].clone());
        }
        let copies = self.dice.between(1, 4);
        let first = self.dice.below(CUSTOMERS);
        for at in 0..copies {
            let source = 1 + (first + at * 7) % CUSTOMERS;
            let copy = self.copy(&original, week, source);
            self.push(story, source, &copy);
        }
        self.push(story, 0, &original);
    }

    fn copy(&mut self, original: &[String], week: &Week, source: usize) -> Vec<String> {
        let mut copy = original.to_vec();
        if self.dice.chance(60) {
            // The dateline goes.
            copy[0] = copy[0].split_once(" - ").map_or(copy[0].clone(), |(_, rest)| rest.to_owned());
        }
        match self.dice.below(10) {
            // As it came.
            0 | 1 => {}
            // The beginning of it.
            2 | 3 => copy.truncate((copy.len() * self.dice.between(4, 7) / 10).max(2)),
            4 => {
                let words: Vec<&str> = original[..2].iter().flat_map(|paragraph| paragraph.split(' ')).collect();
                let most = self.dice.between(54, 90).min(words.len());
                return vec![format!("{}…", words[..most].join(" "))];
            }
            // A paragraph of its own, at the end, before it or in between.
            5 | 6 => {
                let own = paragraph(&mut self.dice, week, 2);
                let at = [copy.len(), 0, copy.len() / 2][self.dice.below(3)];
                copy.insert(at, own);
            }
            // Two sections change places, a paragraph goes.
            7 => {
                let last = copy.len() - 1;
                copy.swap(last, last - 1);
                copy.remove(last / 2);
            }
            _ => copy = copy.iter().map(|paragraph| self.rewritten(paragraph)).collect(),
        }
        copy.extend(Some(footer(source)).filter(|footer| !footer.is_empty()));
        copy
    }

    /// Another word here and there, other quotes, and now and then a word less.
    fn rewritten(&mut self, paragraph: &str) -> String {
        let words = paragraph.split(' ').map(|word| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            let other = SYNONYMS.iter().find(|(known, _)| *known == bare).filter(|_| self.dice.chance(40));
            match other {
                Some((_, other)) => word.replace(bare, other),
                None if self.dice.chance(1) => String::new(),
                None => word.replace(['“', '”'], "\""),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Another story of the week: the same people and places, and under it the same background.
    fn follow_up(&mut self, week: &Week) {
        let story = self.number();
        let mut text: Vec<String> = Vec::new();
        for _ in 0..self.dice.between(2, 5) {
            text.push(paragraph(&mut self.dice, week, 3));
        }
        for at in 0..self.dice.between(1, 3) {
            text.push(week.background[at].clone());
        }
        let source = 1 + self.dice.below(CUSTOMERS);
        text.extend(Some(footer(source)).filter(|footer| !footer.is_empty()));
        self.push(story, source, &text);
    }

    fn weather(&mut self) {
        let story = self.number();
        let (place, dice) = (self.dice.name(), &mut self.dice);
        let sky = |dice: &mut Dice| {
            dice.one(&["clear skies", "light rain", "some cloud", "long sunny spells", "thick fog", "showers"])
        };
        let text = format!(
            "The day in {place} begins with {} and temperatures of {} degrees. Around noon {} are expected, with {} degrees \
             in the valley and {} degrees on the hills. The wind blows at {} kilometres an hour from the {}. In the evening \
             there may be {} with a chance of {} percent. Tomorrow brings {} and up to {} degrees. The sun sets at 20:{:02} \
             and rises at 5:{:02}. This forecast is renewed every six hours.",
            sky(dice),
            dice.between(1, 14),
            sky(dice),
            dice.between(10, 29),
            dice.between(5, 20),
            dice.between(3, 70),
            dice.one(&["north", "south", "west", "east"]),
            sky(dice),
            dice.between(5, 95),
            sky(dice),
            dice.between(9, 31),
            dice.below(60),
            dice.below(60),
        );
        let source = 1 + self.dice.below(CUSTOMERS);
        self.push(story, source, &[text]);
    }

    fn market(&mut self) {
        let story = self.number();
        let dice = &mut self.dice;
        let turn = |dice: &mut Dice| dice.one(&["gained", "lost", "added", "gave up"]);
        let mut lines = vec![format!(
            "Shares {} {}.{} percent on {} in thin trade. The leading index closed at {} points, after {} the day before.",
            turn(dice),
            dice.below(4),
            dice.below(100),
            day(dice),
            dice.between(4000, 9000),
            dice.between(4000, 9000)
        )];
        for company in ["Energy", "Banking", "Retail", "Transport", "Chemical"] {
            lines.push(format!(
                "{company} shares {} {}.{} percent to {}.{} while the volume reached {} million.",
                turn(dice),
                dice.below(9),
                dice.below(100),
                dice.between(3, 400),
                dice.below(100),
                dice.between(1, 90)
            ));
        }
        lines.push("Prices are delayed by fifteen minutes and are no offer to buy or to sell.".to_owned());
        let source = 1 + self.dice.below(CUSTOMERS);
        self.push(story, source, &lines);
    }

    fn live_update(&mut self, week: &Week) {
        let story = self.number();
        let mut text = vec![
            "This page is updated as the day goes on. The newest lines stand on top, and times are those of the capital.".to_owned(),
        ];
        text.push(format!(
            "{}:{:02} {}",
            self.dice.between(6, 22),
            self.dice.below(60),
            paragraph(&mut self.dice, week, 4)
        ));
        text.push(
            "Write to our live desk, or follow the blog in the app. Comments are open until midnight.".to_owned(),
        );
        let source = 1 + self.dice.below(CUSTOMERS);
        self.push(story, source, &text);
    }

    /// A few words of its own above what stands under every note of the house, whichever of its feeds it is in.
    fn footed_note(&mut self) {
        let story = self.number();
        let house = self.dice.below(3) as u64;
        let mut fixed = Dice(house + 99);
        let week = Week::of(&mut fixed);
        let under = paragraph(&mut fixed, &week, 12);
        let own = Week::of(&mut self.dice);
        let note = paragraph(&mut self.dice, &own, 2);
        let source = 1 + self.dice.below(CUSTOMERS);
        self.push(story, source, &[note, under]);
    }
}
