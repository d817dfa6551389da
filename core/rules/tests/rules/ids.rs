//! The IDs of findings: keyed by a secret of the book, and carried over from a book whose IDs were not.

use core_rules::finding::{Acknowledgement, State};
use core_rules::fingerprint::{FindingId, Fingerprints};
use core_rules::outbox::{Attempt, Message, Transition};
use core_rules::silence::{Matcher, Silence};
use serde_json::json;

use crate::kit::{DAY_MS, Scene, rule};

const PAGERDUTY: &str = "[channels.ops]\nkind = \"pagerduty\"\nrouting_key = { env = \"K\" }\n[[routes]]\nto = [\"ops\"]\n";

/// The ID that anyone can compute who knows a name.
fn plain(name: &str) -> FindingId {
    Fingerprints::new("acme", None).of("r", [&json!(name)])
}

/// The messages that wait, which count as delivered then: the ID, the transition and the text of each.
fn taken(scene: &mut Scene) -> Vec<(FindingId, Transition, String)> {
    let messages: Vec<Message> = scene.book.outbox().messages().to_vec();
    for message in &messages {
        scene.book.outbox_mut().note(&message.id, &Attempt::Delivered, scene.now);
    }
    let items = messages.into_iter().flat_map(|message| message.items);
    items.map(|item| (item.finding, item.transition, item.text)).collect()
}

fn ids(scene: &Scene) -> Vec<FindingId> {
    scene.book.findings().keys().copied().collect()
}

/// The finding with a text.
fn of(scene: &Scene, name: &str) -> FindingId {
    let text = format!("{name} holds");
    let found = scene.book.findings().iter().find(|(_, finding)| finding.text == text);
    *found.expect("it is there").0
}

#[test]
fn an_id_can_only_be_computed_with_the_secret_and_stays_the_same() {
    let mut all = Vec::new();
    for secret in [[1; 32], [2; 32]] {
        let mut scene = Scene::new(PAGERDUTY);
        scene.rule = rule("max_findings = 2\n");
        scene.book.key_ids(secret);
        scene.run(&["jane", "joe"]);
        let first = ids(&scene);
        assert!(first.iter().all(|id| ![plain("jane"), plain("joe")].contains(id)), "{first:?}");
        let shown = format!("{:?}", scene.book);
        assert!(shown.contains("id_secret: Some(IdSecret)"), "a secret is not shown");
        scene.run(&["jane", "joe"]);
        assert_eq!(ids(&scene), first);
        assert_eq!(taken(&mut scene).len(), 2);
        // The finding that stands for too many rows is keyed too.
        scene.run(&["jane", "joe", "jim"]);
        let too_many = Fingerprints::new("acme", None).of("r", [&json!("\u{1}too-many")]);
        assert_eq!((ids(&scene).len(), ids(&scene).contains(&too_many)), (3, false));
        // Another secret comes too late.
        scene.book.key_ids([9; 32]);
        scene.run(&["jane", "joe"]);
        assert!(first.iter().all(|id| scene.book.finding(*id).is_some()));
        all.extend(first);
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4, "two books have nothing in common");
}

/// A book of an earlier version with an open, an acknowledged, a silenced and a resolved finding, whose messages were
/// delivered.
fn earlier() -> Scene {
    let mut scene = Scene::new(PAGERDUTY);
    scene.run(&["open", "mine", "quiet", "over"]);
    scene.run(&["open", "mine", "quiet"]);
    assert_eq!(taken(&mut scene).len(), 5);
    let (by, note) = ("op".to_owned(), None);
    assert!(scene.book.acknowledge(plain("mine"), Acknowledgement { by, at: scene.now, note }));
    scene.book.silence(Silence {
        id: "s".to_owned(),
        matcher: Matcher { finding: Some(plain("quiet")), ..Matcher::default() },
        until: scene.now + DAY_MS,
        at: scene.now,
        by: "op".to_owned(),
        why: "maintenance".to_owned(),
    });
    scene
}

#[test]
fn findings_of_an_earlier_version_keep_their_state_and_their_incidents() {
    let mut scene = earlier();
    scene.book.key_ids([7; 32]);
    scene.run(&["open", "mine", "quiet"]);
    assert_eq!(taken(&mut scene), [], "nothing is opened or closed");
    assert_eq!(scene.book.findings().len(), 4);
    assert!(ids(&scene).iter().all(|id| id.to_string() != plain("open").to_string()));
    let state = |name: &str| scene.book.finding(of(&scene, name)).expect("it is there").state();
    assert_eq!(
        ["open", "mine", "quiet", "over"].map(state),
        [State::Open, State::Acknowledged, State::Open, State::Resolved]
    );
    assert!(scene.book.silence_of(of(&scene, "quiet"), scene.now).is_some());
    assert!(scene.book.silence_of(of(&scene, "open"), scene.now).is_none());
    // An ID that was noted down is still understood, where everything may be seen.
    assert_eq!(scene.book.ids(&plain("mine").to_string()[..12]), [of(&scene, "mine")]);
    assert!(scene.book.finding(plain("mine")).is_none(), "but not where texts are withheld");
    // The end, and the next beginning, are about the incident that the receiver knows.
    scene.run(&["mine", "quiet", "over", "new"]);
    let told = taken(&mut scene);
    let of_new = of(&scene, "new");
    let mut expected = [
        (plain("open"), Transition::Resolved, "open holds".to_owned()),
        (plain("over"), Transition::Reopened, "over holds".to_owned()),
        (of_new, Transition::Opened, "new holds".to_owned()),
    ];
    expected.sort_by_key(|(id, ..)| *id);
    let mut told = told;
    told.sort_by_key(|(id, ..)| *id);
    assert_eq!(told, expected);
    assert_ne!(of_new, plain("new"));
}

#[test]
fn what_waited_in_an_earlier_version_is_sent_and_an_erasure_finds_it() {
    // Held back, or in a message.
    for more in ["", "quiet_hours = \"00:00-23:59\"\n"] {
        for is_erased in [false, true] {
            let settings = PAGERDUTY.replace("[[routes]]", &format!("{more}[[routes]]"));
            let mut scene = Scene::new(&settings);
            scene.now = 20_000 * DAY_MS;
            scene.run(&["jane"]);
            scene.book.key_ids([7; 32]);
            if is_erased {
                scene.book.erase(&|text| text.contains("jane"), std::collections::BTreeSet::new());
            } else {
                scene.run(&["jane"]);
            }
            let settings = &scene.settings;
            scene.book.tell(scene.now, |_, finding, rule, transition| {
                settings.channels_for(finding, rule, transition)
            });
            scene.now += DAY_MS - 1;
            scene.compose();
            let told = taken(&mut scene);
            let [(id, transition, text)] = &told[..] else { panic!("{more} {told:?}") };
            assert_eq!((*id, transition.is_open()), (plain("jane"), !is_erased), "{more}");
            assert_eq!(text.contains("jane"), !is_erased, "{more}");
            assert_eq!(scene.book.findings().len(), usize::from(!is_erased), "{more}");
        }
    }
}
