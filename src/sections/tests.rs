use chrono::TimeDelta;

use super::*;

fn section(name: &str, sources: &[&str], categories: &[&str], include: &[&str]) -> Arc<Section> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Arc::new(Section {
        name: name.into(),
        title: name.into(),
        description: None,
        language: None,
        aliases: Vec::new(),
        sources: own(sources),
        categories: own(categories),
        include: own(include),
        limit: 50,
        max_age: None,
        keep: None,
        max_per_source: None,
        merges_copies: true,
        settle: TimeDelta::zero(),
        full_text: true,
        attribution: false,
    })
}

fn stated(title: &str, categories: &[&str], sections: &[&str]) -> Stated {
    Stated {
        title: title.into(),
        categories: categories.iter().map(|term| Category { term: (*term).into(), ..Category::default() }).collect(),
        sections: sections.iter().map(|name| (*name).into()).collect(),
        ..Stated::default()
    }
}

fn rule(when: Condition, then: Vec<Action>) -> Rule {
    Rule { when, then, label: "rule 1".into() }
}

fn check(rules: Vec<Rule>, source: &str, mut stated: Stated, want: &[&str]) -> Stated {
    let sections = [
        section("news", &[], &[], &["politics", "world"]),
        section("politics", &["party"], &["Election"], &[]),
        section("world", &["wire"], &[], &[]),
    ];
    let placer = Placer::new(&sections, &rules, BTreeMap::new());
    let placement = placer.place(source, &mut stated, Time::default());
    assert_eq!(placement.sections, want, "{:?}", placement.steps);
    stated
}

#[test]
fn by_source_category_and_the_entrys_own_word() {
    check(vec![], "other", stated("t", &[], &[]), &[""]);
    check(vec![], "party", stated("t", &[], &[]), &["", "news", "politics"]);
    check(vec![], "other", stated("t", &["ELECTION"], &["world"]), &["", "news", "politics", "world"]);
    check(vec![], "other", stated("t", &[], &["unheard-of"]), &[""]);
}

#[test]
fn rules_are_carried_out_in_order() {
    let ad = || Condition::Text(Field::Title, Test::Contains("sponsored".into()));
    check(vec![rule(ad(), vec![Action::Drop])], "party", stated("SPONSORED: x", &[], &[]), &[]);
    check(vec![rule(ad(), vec![Action::Drop])], "party", stated("x", &[], &[]), &["", "news", "politics"]);
    let moves = vec![rule(
        Condition::All(vec![]),
        vec![Action::RemoveSection("politics".into()), Action::AddSection("world".into())],
    )];
    check(moves, "party", stated("x", &[], &[]), &["", "news", "world"]);
    let stop = vec![
        rule(Condition::Not(Box::new(ad())), vec![Action::Stop]),
        rule(Condition::All(vec![]), vec![Action::Drop]),
    ];
    check(stop, "wire", stated("x", &[], &[]), &["", "news", "world"]);
}

#[test]
fn rules_change_a_copy() {
    let then =
        vec![Action::SetTitle(Regex::new("^Live: ").unwrap(), String::new()), Action::AddCategory("live".into())];
    let changed = check(
        vec![rule(Condition::All(vec![]), then)],
        "wire",
        stated("Live: votes", &[], &[]),
        &["", "news", "world"],
    );
    assert_eq!((changed.title.as_str(), changed.categories[0].term.as_str()), ("votes", "live"));
}

/// As one that the entry came with; what the same rule takes it out of, it stays out of.
#[test]
fn a_category_that_a_rule_adds_selects_sections() {
    let then = |more: Vec<Action>| [vec![Action::AddCategory("Election".into())], more].concat();
    let all = || Condition::All(vec![]);
    check(vec![rule(all(), then(vec![]))], "other", stated("t", &[], &[]), &["", "news", "politics"]);
    let out = then(vec![Action::RemoveSection("politics".into())]);
    check(vec![rule(all(), out)], "other", stated("t", &[], &[]), &[""]);
}

#[test]
fn rules_of_a_section_see_what_stands_in_it() {
    let sections = [
        section("all", &[], &[], &["news"]),
        section("news", &[], &[], &["politics", "world"]),
        section("politics", &["party"], &[], &[]),
        section("world", &["wire"], &[], &[]),
    ];
    let ad = || Condition::Text(Field::Title, Test::Contains("ad".into()));
    let drop = |of: &str| Rule { when: ad(), then: vec![Action::Drop], label: format!("rule 1 of section {of}") };
    let moved = Rule {
        when: ad(),
        then: vec![Action::Drop, Action::AddSection("world".into())].into_iter().rev().collect(),
        label: "rule 1 of section politics".into(),
    };
    let check = |rules: &[(&str, Rule)], want: &[&str]| {
        let rules = rules.iter().map(|(name, rule)| ((*name).to_owned(), vec![rule.clone()])).collect();
        let placer = Placer::new(&sections, &[], BTreeMap::new()).with_section_rules(&rules);
        let placement = placer.placed("party", &stated("an ad", &[], &[]), Time::default());
        assert_eq!(placement.sections, want, "{:?}", placement.steps);
        placement.hits.len()
    };
    assert_eq!(check(&[("politics", drop("politics"))], &[""]), 1);
    assert_eq!(check(&[("news", drop("news"))], &["", "politics"]), 1);
    assert_eq!(check(&[("all", drop("all"))], &["", "news", "politics"]), 1);
    assert_eq!(check(&[("world", drop("world"))], &["", "all", "news", "politics"]), 0);
    assert_eq!(check(&[("politics", moved.clone())], &["", "all", "news", "world"]), 1);
    assert_eq!(check(&[("politics", moved), ("world", drop("world"))], &[""]), 2);
}

#[test]
fn a_date_that_cannot_be_true_makes_nothing_old() {
    let seen = Time::from_timestamp(1_774_605_600, 0).unwrap();
    let check = |published: Option<TimeDelta>, want: bool| {
        let entry = Stated { published: published.map(|ago| seen - ago), ..stated("t", &[], &[]) };
        assert_eq!(Condition::OlderThan(TimeDelta::days(30)).holds("x", &entry, seen), want, "{published:?}");
    };
    check(Some(TimeDelta::days(31)), true);
    check(Some(TimeDelta::days(29)), false);
    check(None, false);
    check(Some(TimeDelta::days(-400)), false);
    check(Some(TimeDelta::seconds(seen.timestamp())), false);
}

#[test]
fn content_is_what_a_reader_sees() {
    let content = Some(crate::model::Html("<p class=\"secret\">two <b>words</b></p>".into()));
    let entry = Stated { content, ..stated("t", &[], &[]) };
    let holds =
        |text: &str| Condition::Text(Field::Content, Test::Contains(text.into())).holds("x", &entry, Time::default());
    assert!(holds("two words") && !holds("secret"));
}
