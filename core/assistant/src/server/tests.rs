//! Conversations with a server whose commands are shell scripts.

use std::sync::{Arc, Mutex};

use core_store::{Location, Store};

use super::*;

/// Advice of the command line, which an assistant cannot follow.
const ADVICE: &str = "leave out --without-personal";

/// Prints its arguments, and those on its standard input.
const ECHO: &str = r#"printf '{"words":"%s","input":%s}\n' "$*" "$(cat)""#;

/// A shell that runs a script in place of the program, and the calls that it was to record.
struct Script {
    script: &'static str,
    recorded: Arc<Mutex<Vec<String>>>,
}

impl Program for Script {
    fn command(&self) -> io::Result<Command> {
        let mut shell = Command::new("sh");
        shell.args(["-c", self.script, "sh"]);
        Ok(shell)
    }

    fn record_call(&self, tool: &str, client: &str) {
        let mut recorded = self.recorded.lock().expect("no test panics while it holds the lock");
        recorded.push(format!("{tool} by {client}"));
    }
}

/// A server on an empty store.
struct Scene {
    server: Server,
    recorded: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(script: &'static str) -> Self {
        Self::with(script, Settings { personal: false, withheld_advice: ADVICE })
    }

    fn with(script: &'static str, settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let location = Location::parse(folder.path().to_str().expect("a path of text"));
        let store = location.and_then(Store::open).expect("an empty folder is a store");
        let tenant = store.tenant("acme").expect("a valid name");
        let recorded = Arc::default();
        let program = Box::new(Script { script, recorded: Arc::clone(&recorded) });
        Self { server: Server::new(tenant, program, settings), recorded, _folder: folder }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let line = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = self.server.answer(line.to_string().as_bytes()).await;
        let answer = answer.expect("a request has an answer");
        serde_json::from_str(&answer).expect("an answer is JSON")
    }

    /// Calls a tool. Returns its answer and whether that is an error.
    async fn call(&mut self, tool: &str, arguments: Value) -> (Value, bool) {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        let text = answer["result"]["content"][0]["text"].as_str().expect("the answer has a text");
        let text = serde_json::from_str(text).expect("the text is JSON");
        (text, answer["result"]["isError"] == true)
    }
}

#[tokio::test]
async fn each_method_is_answered_and_a_notification_is_not() {
    let mut scene = Scene::new(ECHO);
    let greeting = scene.ask("initialize", json!({ "protocolVersion": "2025-03-26" })).await;
    assert_eq!((&greeting["id"], &greeting["jsonrpc"]), (&json!(7), &json!("2.0")));
    assert_eq!(greeting["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(scene.ask("ping", Value::Null).await["result"], json!({}));
    let table = [
        ("tools/list", "tools", 7),
        ("resources/list", "resources", 3),
        ("resources/templates/list", "resourceTemplates", 0),
    ];
    for (method, member, count) in table {
        let answer = scene.ask(method, Value::Null).await;
        let list = answer["result"][member].as_array();
        assert_eq!(list.map(Vec::len), Some(count), "{answer}");
    }
    let refused = [
        ("prompts/list", json!({}), -32601),
        ("tools/call", json!({ "name": "drop" }), -32602),
        ("resources/read", json!({ "uri": "file:///etc/passwd" }), -32002),
    ];
    for (method, params, code) in refused {
        let answer = scene.ask(method, params).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer.get("result").is_none(), "{answer}");
    }
    let notification = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(scene.server.answer(notification).await, None);
    let broken = scene.server.answer(b"{").await.expect("what is no JSON has an answer");
    assert!(broken.contains("-32700"), "{broken}");
}

#[tokio::test]
async fn each_resource_that_is_listed_can_be_read() {
    let mut scene = Scene::new(ECHO);
    let list = scene.ask("resources/list", Value::Null).await;
    let mut texts = Vec::new();
    for resource in list["result"]["resources"].as_array().expect("a list") {
        let answer = scene.ask("resources/read", json!({ "uri": resource["uri"] })).await;
        let content = &answer["result"]["contents"][0];
        assert_eq!(
            (&content["uri"], &content["mimeType"]),
            (&resource["uri"], &resource["mimeType"])
        );
        texts.push(content["text"].as_str().expect("a text").to_owned());
    }
    assert!(texts[0].contains("nexthink_device") && texts[1].contains("FIND "));
    assert_eq!(texts[2], json!({ "generation": null }).to_string(), "nothing is published");
}

#[tokio::test]
async fn a_call_is_a_command_that_shows_people_only_if_the_configuration_says_so() {
    let arguments = json!({ "query": "FIND Device" });
    let (text, is_error) = Scene::new(ECHO).call("show", json!({ "entity": "a b" })).await;
    assert!(!is_error, "{text}");
    let input = json!(["show", "--without-personal", "--output", "json", "--", "a b"]);
    // What a client names is not on the command line, which every user of the machine can read.
    assert_eq!(text["data"], json!({ "words": "--arguments-on-stdin", "input": input }));
    let settings = Settings { personal: true, withheld_advice: ADVICE };
    // A query prints an object a line.
    let (text, _) = Scene::with(ECHO, settings).call("query", arguments).await;
    let input = json!(["query", "--output", "ndjson", "--memory-limit=512", "--", "FIND Device"]);
    assert_eq!(text["data"], json!([{ "words": "--worker --arguments-on-stdin", "input": input }]));
}

#[tokio::test]
async fn calls_are_recorded_unless_they_only_list_tables() {
    let mut scene = Scene::new("echo '[]'");
    let client = json!({ "clientInfo": { "name": "an editor" } });
    scene.ask("initialize", client).await;
    scene.call("describe", json!({})).await;
    scene.call("search", json!({ "text": "x" })).await;
    scene.ask("tools/call", json!({ "name": "search" })).await;
    let recorded = scene.recorded.lock().expect("no test panics while it holds the lock");
    assert_eq!(*recorded, ["search by an editor"], "what is refused is no call");
}

#[tokio::test]
async fn an_endless_answer_is_cut_and_its_command_ended() {
    // The command is killed, or the answer would wait for the end of its errors.
    let script = r#"while :; do echo '{"a":1}'; done"#;
    let (text, is_error) = Scene::new(script).call("query", json!({ "query": "q" })).await;
    assert!(!is_error, "{text}");
    assert_eq!(text["data"].as_array().map(Vec::len), Some(200));
    assert!(text["cut"].as_str().is_some_and(|cut| cut.starts_with("only the first 200 rows")));
    let long = r#"while :; do printf '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"'; done"#;
    let (text, is_error) = Scene::new(long).call("show", json!({ "entity": "a" })).await;
    assert!(is_error && text["error"].to_string().contains("longer than 40 KB"), "{text}");
}

#[tokio::test]
async fn the_failure_of_a_command_is_told_with_advice_that_an_assistant_can_follow() {
    let table = [
        ("echo 'error: there is no table x' >&2; exit 2", "there is no table x"),
        ("echo 'no memory' >&2; exit 1", "it needs more memory than it may use"),
        (
            "echo 'error: upn is withheld: leave out --without-personal' >&2; exit 2",
            "upn is withheld: personal data is not for assistants here, unless the operator sets mcp.personal = \
             true",
        ),
    ];
    for (script, reason) in table {
        let (text, is_error) = Scene::new(script).call("query", json!({ "query": "q" })).await;
        assert!(is_error, "{text}");
        assert_eq!(text, json!({ "error": reason }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_given_up() {
    // The clock of the test jumps whenever the server waits.
    let (text, is_error) = Scene::new("exec sleep 1000").call("ask", json!({})).await;
    assert!(is_error && text["error"].to_string().contains("longer than 10 seconds"), "{text}");
}
