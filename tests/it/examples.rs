//! The examples that people copy: every command line in the README, in the pages for users and in the help is
//! run as it is printed, on a simulated tenant.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use core_simulator::TenantSpec;
use tempfile::TempDir;

use crate::kit::{Scene, start};

const README: &str = include_str!("../../README.md");

/// The pages for users, in an order in which one can go on from the one before.
const PAGES: [(&str, &str); 10] = [
    ("docs/explorer.md", include_str!("../../docs/explorer.md")),
    ("docs/j1ql.md", include_str!("../../docs/j1ql.md")),
    ("docs/ask.md", include_str!("../../docs/ask.md")),
    ("docs/rules.md", include_str!("../../docs/rules.md")),
    ("docs/jupiterone.md", include_str!("../../docs/jupiterone.md")),
    ("docs/lake.md", include_str!("../../docs/lake.md")),
    ("docs/audit-trail.md", include_str!("../../docs/audit-trail.md")),
    ("docs/privacy.md", include_str!("../../docs/privacy.md")),
    ("docs/personal-data.md", include_str!("../../docs/personal-data.md")),
    ("docs/postgres-wire.md", include_str!("../../docs/postgres-wire.md")),
];

/// Pages for the authors of the program, whose commands take minutes and change the checkout.
const FOR_AUTHORS: [&str; 2] = ["contributing.md", "performance.md"];

/// Pages whose commands need a server, and are run by `cargo xtask conformance` with its name.
const WITH_A_SERVER: [&str; 2] = ["neo4j.md", "postgres.md"];

/// The files that the examples of `software` read.
const FILES: [(&str, &str); 3] = [
    ("products.json", include_str!("../../core/software/tests/data/products.json")),
    ("mapping.toml", "[[package]]\nname = \"Contoso Backup*\"\nproduct = \"backup\"\n"),
    ("advisories.csv", "id,publisher,name,fixed_in\nADV-1,Contoso*,Contoso*,3.0\n"),
];

/// Stands in for the installed program. What would run until Ctrl-C runs in the background or for two
/// seconds; ports are chosen by the system, and the simulated estate is a small one.
const PROGRAM: &str = r#"#!/bin/bash
program="$(dirname "$0")/program"
[ -L "$program" ] || exit 99
case " $* " in
*" --help "*) exec "$program" "$@" ;;
" serve token "*) exec "$program" "$@" ;;
" serve "*) timeout -s INT 3 "$program" "${@/5490/0}" --listen 127.0.0.1:0 || [ $? = 124 ]; exit ;;
" schedule "*) timeout -s INT 3 "$program" "${@/9464/0}" || [ $? = 124 ]; exit ;;
*" store copy "*)
    # A folder stands in for the bucket, and the store of this tenant for that of the example.
    set -- "${@/s3:\/\/backups\/nexthink/bucket}"
    if [ -d simulated-store ]; then set -- "${@/#nexthink-graph-store/simulated-store}"; fi
    if [ -d tenants.d/store ]; then set -- "${@/#\/srv\/nexthink-graph/tenants.d/store}"; fi
    exec "$program" "$@"
    ;;
*" --follow "*) timeout -s INT 2 "$program" "$@"; exit 0 ;;
" simulate "*)
    arguments=()
    for argument in "$@"; do
        [ "$argument" = --jupiterone ] && argument=--jupiterone=127.0.0.1:0
        arguments+=("$argument")
        [ "$previous" = --config-out ] && written="$argument"
        previous="$argument"
    done
    case " $* " in *" --devices "*) ;; *) arguments+=(--devices 60) ;; esac
    arguments+=(--users 200 --packages-per-device 4 --alerts 20)
    [ -e "$written" ] && case " $* " in *" --force "*) rm "$written" ;; esac
    "$program" "${arguments[@]}" --listen 127.0.0.1:0 &
    echo $! >> "$(dirname "$0")/started"
    for try in $(seq 600); do [ -s "$written" ] && exit 0; sleep 0.05; done
    exit 98
    ;;
*) exec "$program" "$@" ;;
esac
"#;

/// Stands in for Cargo: runs the program, and installs nothing.
const CARGO: &str = r#"#!/bin/bash
[ "$1" = install ] && exit 0
shift 3
[ "$1" = -- ] && shift
exec "$(dirname "$0")/nexthink-graph" "$@"
"#;

/// A folder to work in, and the programs that the examples call.
struct Shell {
    folder: TempDir,
    programs: TempDir,
}

impl Shell {
    fn new() -> Self {
        let shell = Self {
            folder: TempDir::new().expect("a folder can be made"),
            programs: TempDir::new().expect("a folder can be made"),
        };
        let program = shell.programs.path().join("program");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_program"), program).expect("linked");
        for (name, script) in
            [("nexthink-graph", PROGRAM), ("cargo", CARGO), ("dot", "#!/bin/bash\nexec cat\n")]
        {
            let path = shell.programs.path().join(name);
            fs::write(&path, script).expect("a file can be written");
            let mode = fs::Permissions::from_mode(0o700);
            fs::set_permissions(&path, mode).expect("the file is ours");
        }
        shell
    }

    /// Runs a script, of which each command must succeed.
    fn run(&self, script: &str, variables: &[(&str, &str)]) {
        let mut bash = Command::new("/bin/bash");
        bash.current_dir(self.folder.path()).args(["-euxo", "pipefail", "-c", script]).env_clear();
        let path = format!("{}:/usr/bin:/bin", self.programs.path().display());
        bash.env("PATH", path).env("HOME", self.folder.path());
        // Nothing outside of this machine is asked, whatever an example names.
        bash.env("HTTPS_PROXY", "http://127.0.0.1:9").envs(variables.iter().copied());
        let input = self.programs.path().join("typed");
        fs::write(&input, "demo-secret\n").expect("a file can be written");
        bash.stdin(fs::File::open(input).expect("it was written"));
        let said = self.programs.path().join("said");
        bash.stdout(fs::File::create(&said).expect("ours"));
        let said_error = self.programs.path().join("said-error");
        bash.stderr(fs::File::create(&said_error).expect("ours"));
        let status = bash.status().expect("there is a shell");
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        assert!(status.success(), "{status}: {}", read(&said_error));
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let started = fs::read_to_string(self.programs.path().join("started"));
        for id in started.unwrap_or_default().lines() {
            let kill = format!("kill {id} 2> /dev/null");
            let _ = Command::new("/bin/sh").args(["-c", &kill]).status();
        }
    }
}

/// The shell blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines().map(str::trim_start) {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn p9_every_example_of_the_readme_and_of_the_pages_for_users_runs_as_printed() {
    let scene = Scene::of(TenantSpec { devices: 20, users: 8, alerts: 4, ..TenantSpec::default() });
    let mut script = String::new();
    for block in blocks(README) {
        if block.contains("simulate") {
            script.push_str("unset ${!NEXTHINK_GRAPH__@}\n");
        }
        script.push_str(&block);
    }
    for (name, page) in PAGES {
        let found = blocks(page);
        assert!(!found.is_empty(), "{name} shows no commands");
        script.push_str(&found.concat());
    }
    // The tenant that the README configures is played by a simulated one.
    let variables = [
        ("NEXTHINK_GRAPH__NEXTHINK__ENDPOINTS__LOGIN", scene.api()),
        ("NEXTHINK_GRAPH__NEXTHINK__ENDPOINTS__API", scene.api()),
        ("NEXTHINK_GRAPH__NEXTHINK__ENDPOINTS__FILES", scene.files()),
        ("NEXTHINK_GRAPH__NEXTHINK__CLIENT_ID", "demo"),
    ];
    // Before there is a configuration, variables are none of the reader's.
    let (before, after) = script.split_once("nexthink-graph init").expect("the README sets it up");
    let shell = Shell::new();
    shell.run(before, &[]);
    let (init, after) = after.split_once('\n').expect("more follows");
    let exports = "export NEXTHINK_CLIENT_SECRET=demo-secret\n";
    shell.run(&format!("{exports}nexthink-graph init{init}\n"), &[]);
    shell.run(&format!("{exports}{after}"), &variables);
}

#[test]
fn p9_the_variables_of_the_configuration_page_are_enough_for_a_plan() {
    let shell = Shell::new();
    shell.run(&blocks(include_str!("../../docs/configuration.md")).concat(), &[]);
}

#[test]
fn p9_every_example_of_the_page_on_operations_runs_as_printed() {
    let scene = Scene::of(TenantSpec { devices: 20, users: 8, alerts: 4, ..TenantSpec::default() });
    let shell = Shell::new();
    for name in ["nexthink-graph.toml", "secret"] {
        fs::copy(scene.path(name), shell.folder.path().join(name)).expect("it can be copied");
    }
    let blocks = blocks(include_str!("../../docs/operations.md"));
    let (fleet, others) = blocks.split_first().expect("the page has examples");
    assert!(fleet.contains("tenants.d"), "the first example makes the fleet");
    shell.run(&[BEFORE_THE_FLEET, fleet, IN_THE_FLEET, &others.concat()].concat(), &[]);
}

/// Work of a single tenant: two generations, a rule, a question, and an erased person.
const BEFORE_THE_FLEET: &str = r#"
value() { nexthink-graph query --output csv "$@" | tail -n 1 | tr -d '\r'; }
nexthink-graph --quiet run > /dev/null
nexthink-graph privacy key new
mkdir rules questions
nexthink-graph rules explain critical-alert-open --file | sed 's/^id = .*/id = "own-rule"/; /\[\[test/,$d' > rules/own.toml
erased="$(value 'select upn from nexthink_user order by upn limit 1')"
[ "$(value "select count(*) n from nexthink_user where upn = '$erased'")" = 1 ]
nexthink-graph privacy erase --user "$erased" --reason gdpr-request --yes
nexthink-graph --quiet run > /dev/null
nexthink-graph history --output csv | wc -l > before
"#;

/// The fleet has the same store, in which the run of `run --all` adds a generation, and the person stays erased.
const IN_THE_FLEET: &str = r#"
[ "$(nexthink-graph history --tenant acme --output csv | wc -l)" = "$(($(cat before) + 1))" ]
[ "$(value --tenant acme "select count(*) n from nexthink_user where upn = '$erased'")" = 0 ]
[ "$(value --tenant acme 'select count(*) n from nexthink_user')" -gt 0 ]
nexthink-graph privacy suppression list --tenant acme | grep gdpr-request
nexthink-graph privacy key list --tenant acme
nexthink-graph rules list --tenant acme | grep own-rule
"#;

#[test]
fn p9_no_other_page_shows_commands() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let entries = fs::read_dir(docs).expect("there are pages");
    let tested = PAGES.map(|(path, _)| path.trim_start_matches("docs/"));
    for path in entries.map(|entry| entry.expect("it can be listed").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known =
            [&tested[..], &FOR_AUTHORS, &WITH_A_SERVER, &["configuration.md", "operations.md"]]
                .concat();
        // Pictures are no pages.
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        if is_page && !known.contains(&name.as_str()) {
            let page = fs::read_to_string(&path).expect("it can be read");
            assert!(blocks(&page).is_empty(), "the examples of {name} are not run by any test");
        }
    }
}

/// Makes a fleet of the configuration of the simulated tenant.
const FLEET: &str = r#"
mkdir -p tenants.d
cp demo.toml* tenants.d/
printf '[fleet]\ntenants = "tenants.d"\n' > fleet.toml
chmod -R go-w tenants.d
"#;

/// An example with the configuration that it is about.
fn in_its_configuration(command: &str, example: &str) -> String {
    if command.starts_with("fleet") || example.contains(" --all") {
        return format!("NEXTHINK_GRAPH_CONFIG=fleet.toml {example}");
    }
    example.to_owned()
}

/// A command, and the example lines of its help.
struct Help {
    command: String,
    examples: Vec<String>,
    /// The first line of what it says about itself.
    about: String,
}

/// The help of a command and of all commands below it.
fn helps(folder: &Path, command: &[String]) -> Vec<Help> {
    let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    let text = start(folder, &arguments, &[]).wait().stdout;
    let is_example = |line: &&str| line.starts_with("  ") && line.contains("nexthink-graph ");
    let is_usage =
        |line: &&str| ["Usage:", "<COMMAND>", "[default"].iter().any(|mark| line.contains(mark));
    let examples = text.lines().filter(is_example).filter(|line| !is_usage(line));
    let mut found = vec![Help {
        command: command.join(" "),
        examples: examples.map(|line| line.trim().to_owned()).collect(),
        about: text.lines().next().unwrap_or_default().to_owned(),
    }];
    let below = text.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in below.take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap_or_default();
        if name != "help" && line.starts_with("  ") && !line.starts_with("   ") {
            found.extend(helps(folder, &[command, &[name.to_owned()]].concat()));
        }
    }
    found
}

#[test]
fn p9_every_example_of_the_help_runs_as_printed() {
    let shell = Shell::new();
    let mut helps = helps(shell.folder.path(), &[]);
    for Help { command, examples, about } in &helps {
        let words = about.split_whitespace().count();
        assert!((2..=10).contains(&words), "`{command}` says of itself: {about}");
        let groups = [
            "",
            "config",
            "export",
            "findings",
            "fleet",
            "notify",
            "privacy",
            "privacy key",
            "privacy ledger",
            "privacy suppression",
            "rules",
            "serve token",
            "software",
            "store",
        ];
        assert!(
            groups.contains(&command.as_str()) || !examples.is_empty(),
            "{command} has no example"
        );
    }
    // There is no key to rotate and no erasure to lift before these.
    let first = ["privacy key new", "run", "privacy key rotate", "privacy erase"];
    let place = |help: &Help| first.iter().position(|command| *command == help.command);
    let is_last = |help: &Help| help.command == "destroy";
    helps.sort_by_key(|help| (is_last(help), place(help).unwrap_or(first.len())));
    shell.run("nexthink-graph simulate --jupiterone --config-out demo.toml", &[]);
    shell.run(FLEET, &[]);
    for (name, content) in FILES {
        fs::write(shell.folder.path().join(name), content).expect("a file can be written");
    }
    for Help { command, examples, .. } in &helps {
        let examples = examples.iter().map(|example| in_its_configuration(command, example));
        let script = examples.collect::<Vec<_>>().join("\n");
        // What writes a configuration is tried where there is none.
        if ["init", "simulate"].contains(&command.as_str()) {
            Shell::new().run(&script, &[]);
        } else {
            shell.run(&script, &[("NEXTHINK_GRAPH_CONFIG", "demo.toml")]);
        }
    }
}
