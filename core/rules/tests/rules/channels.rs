//! Messages at every channel: what fails comes again under the same id.

use core_rules::document::Document;
use core_rules::notify::settings::NotifySettings;
use core_simulator::Receiver;
use serde_json::Value;

use crate::kit::{DAY_MS, Scene, rule};

#[tokio::test]
async fn a_receiver_that_is_down_for_three_days_gets_everything_in_order_and_one_for_a_week_nothing()
 {
    let receiver = Receiver::start().await.expect("a port is free");
    let text = format!(
        "[channels.ops]\nkind = \"slack\"\nurl = \"{}\"\n[[routes]]\nto = [\"ops\"]\n",
        receiver.url()
    );
    for (days, delivered, given_up) in [(3_u64, 3, 0), (9, 1, 2)] {
        let mut scene = Scene::new(&text);
        receiver.answer_with(500);
        let before = receiver.requests().len();
        scene.run(&["one"]);
        scene.run(&[]);
        for _ in 0..days * 24 {
            scene.send().await;
            scene.now += DAY_MS / 24;
        }
        receiver.answer_with(200);
        scene.run(&["two"]);
        for _ in 0..26 {
            scene.send().await;
            scene.now += DAY_MS / 24;
        }
        assert!(scene.book.outbox().is_empty());
        assert_eq!(scene.book.outbox().given_up(), given_up, "{days} days");
        let requests = receiver.requests();
        let taken: Vec<String> = requests[before..]
            .iter()
            .filter(|request| request.status == 200)
            .map(|request| serde_json::from_slice::<Value>(&request.body).expect("JSON"))
            .map(|body| body["text"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(taken.len(), delivered, "{days} days: {taken:?}");
        if days == 3 {
            assert!(taken[0].contains("opened") && taken[1].contains("resolved"), "{taken:?}");
        }
        // It is not hammered meanwhile.
        assert!(requests.len() - before < 30, "{}", requests.len() - before);
    }
}

#[test]
fn many_transitions_are_one_digest_and_quiet_hours_hold_all_but_the_urgent() {
    let quiet = r#"
[channels.ops]
kind = "slack"
url = "https://hooks.example/x"
quiet_hours = "00:00-23:59"
urgent = "critical"
[[routes]]
to = ["ops"]
"#;
    let names: Vec<String> = (0..500).map(|number| format!("PC-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scene = Scene::new(&quiet.replace("00:00-23:59", "00:00-00:00"));
    scene.run(&names);
    let [digest] = scene.book.outbox().messages() else { panic!("one digest") };
    assert_eq!((digest.total, digest.opened, digest.items.len()), (500, 500, 20));

    let mut scene = Scene::new(quiet);
    scene.run(&names);
    assert_eq!(scene.book.outbox().messages().len(), 0);
    assert_eq!(scene.book.outbox().waiting("ops"), 500);
    let mut scene = Scene::new(quiet);
    scene.rule = rule("").clone();
    scene.rule.severity = core_rules::rule::Severity::Critical;
    scene.run(&names);
    assert_eq!(scene.book.outbox().messages().len(), 1);
}

#[test]
fn mistakes_in_the_file_have_a_place() {
    let table = [
        (
            "[channels.a]\nkind = \"slak\"\n",
            "notify.toml:2:8: there is no kind `slak`, did you mean `slack`?",
        ),
        (
            "[channels.a]\nkind = \"slack\"\n",
            "notify.toml:2:8: a channel of kind slack needs `url`",
        ),
        (
            "[channels.a]\nkind = \"slack\"\nurl = \"http://a.example\"\n",
            "notify.toml:3:7: use https",
        ),
        (
            "[channels.a]\nkind = \"slack\"\nurl = \"https://a.example\"\ncommand = [\"x\"]\n",
            "notify.toml:2:8: `command` is not for channels of kind slack",
        ),
        (
            "[channels.ops]\nkind = \"slack\"\nurl = \"https://a.example\"\n[[routes]]\nto = [\"op\"]\n",
            "notify.toml:5:6: there is no channel `op`, did you mean `ops`?",
        ),
        (
            "[channels.a]\nkind = \"email\"\nserver = \"mail.example\"\nfrom = \"a@b.example\"\nto = []\n",
            "notify.toml:2:8: a channel of kind email needs `to`",
        ),
        (
            "[channels.a]\nkind = \"email\"\nserver = \"mail.example\"\ntls = \"none\"\n\
             from = \"a@b.example\"\nto = [\"a@b.example\"]\n",
            "notify.toml:3:10: `tls = \"none\"` is for mail servers of this machine only",
        ),
        (
            "[channels.a]\nkind = \"email\"\nserver = \"mail.example\"\nfrom = \"a@b.example\"\n\
             to = [\"a@b.example\\r\\nBcc: x@evil.example\"]\n",
            "notify.toml:5:6: write a mail address as `name@example.com`",
        ),
        (
            "[channels.a]\nkind = \"email\"\nserver = \"mail.example\"\nfrom = \"a@b.example\"\n\
             to = [\"a@b.example\"]\nuser = \"a\"\n",
            "notify.toml:1:11: a mail server that asks for a login needs `user` and `password`",
        ),
    ];
    for (text, expected) in table {
        let problems =
            NotifySettings::read(Document { file: "notify.toml", text }).expect_err(text);
        assert!(problems[0].to_string().starts_with(expected), "{}", problems[0]);
    }
}
