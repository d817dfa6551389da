//! The answer that each shipped question has to find in the planted rows.

/// A question, what is given, the columns that are compared, and the rows in their order. Rows of a
/// question without an order are sorted.
pub(super) type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

pub(super) const CASES: [Case; 37] = [
    ("account-overview-devices", "", "region accountName devices", &["eu Acme 4"]),
    ("account-overview-users", "", "region accountName users", &["eu Acme 3"]),
    ("devices-not-seen", "", "deviceName", &["DEV-3"]),
    ("new-devices", "", "deviceName", &["DEV-3"]),
    ("devices-without-user", "", "deviceName", &["DEV-3", "DEV-4", "DEV-5"]),
    ("devices-without-alert", "", "deviceName", &["DEV-3", "DEV-4", "DEV-5"]),
    (
        "os-versions",
        "",
        "osName devices",
        &["Linux 1", "macOS 15 1", "Windows 10 1", "Windows 11 2"],
    ),
    ("devices-by-model", "", "model devices", &["A 2", "D 1", "M 1", "S 1"]),
    ("devices-of-entity", "entity=zUr", "deviceName", &["DEV-1", "DEV-3"]),
    ("silent-devices", "", "deviceName days", &["DEV-3 40"]),
    ("silent-devices", "days=28", "deviceName days", &["DEV-3 40", "DEV-2 29"]),
    ("devices-missing-software", "software=acme agent", "deviceName", &["DEV-3", "DEV-4", "DEV-5"]),
    ("unsupported-os-builds", "os=Windows", "deviceName unknown", &["DEV-2 false", "DEV-4 true"]),
    ("devices-in-network", "", "deviceName", &["DEV-1"]),
    ("shared-serials", "", "serial devices", &["S1 2"]),
    ("devices-by-last-seen", "", "devices", &["1", "1"]),
    ("software-versions", "software_name=acme", "version devices", &["1.0 1", "1.5 1", "2.0 1"]),
    (
        "devices-with-package",
        "package name=acme agent",
        "deviceName version",
        &["DEV-1 2.0", "DEV-2 1.5"],
    ),
    (
        "packages-by-publisher",
        "",
        "publisher packages",
        &["Acme 2", "Foo 1", "Other 1", "Remote 3", "TeamViewer 1"],
    ),
    ("unwanted-publisher", "publisher=team", "deviceName packageName", &["DEV-1 TeamViewer"]),
    (
        "vulnerable-version",
        "package-name=acme agent;version-begins-with=1.",
        "deviceName version",
        &["DEV-2 1.5"],
    ),
    (
        "remote-control-software",
        "",
        "deviceName packageName",
        &["DEV-1 TeamViewer", "DEV-3 anydesk", "DEV-3 RustDesk", "DEV-3 UltraVNC"],
    ),
    (
        "package-below-version",
        "package=acme a;version=2",
        "deviceName packageName version unknown",
        &["DEV-2 Acme Agent 1.5 false"],
    ),
    (
        "package-below-version",
        "package=Editor;version=2",
        "deviceName version unknown",
        &["DEV-2 latest true", "DEV-3 latest true"],
    ),
    ("new-software", "", "packageName devices", &["Editor 2", "Agent Acme 1.0 1"]),
    ("new-software", "days=11", "packageName devices", &[]),
    (
        "software-by-devices",
        "count=2",
        "packageName devices versions",
        &["Acme Agent 2 2", "Editor 2 1"],
    ),
    (
        "publishers-by-devices",
        "",
        "publisher devices",
        &["Acme 2", "Foo 2", "Other 1", "Remote 1", "TeamViewer 1"],
    ),
    (
        "rare-software",
        "",
        "packageName devices",
        &[
            "Acme Agent 1.5 1",
            "Acme Agent 2.0 1",
            "Agent Acme 1.0 1",
            "anydesk 1",
            "RustDesk 1",
            "TeamViewer 15.0 1",
            "UltraVNC 1",
        ],
    ),
    ("critical-alerts-by-device", "", "deviceName alerts", &["DEV-1 1"]),
    ("critical-alerts-by-user", "", "userName alerts", &["ben 1"]),
    (
        "alerts-by-monitor",
        "",
        "monitorName severity alerts",
        &["M1 critical 1", "M1 low 1", "M3 critical 1"],
    ),
    ("long-open-alerts", "", "monitorName deviceName", &["M1 DEV-1"]),
    ("noisy-monitors", "", "monitorName alerts open", &["M1 3 2"]),
    ("open-critical-alerts", "", "alerts", &["2"]),
    ("users-by-department", "", "department users", &["  1", "IT 2"]),
    ("users-without-alert", "", "userName", &["cleo"]),
];

pub(super) const MORE_CASES: [Case; 3] = [
    ("users-not-seen", "", "userName", &["cleo"]),
    ("users-with-several-devices", "", "userName devices", &["anna 2"]),
    ("devices-with-several-users", "", "deviceName users", &["DEV-2 2"]),
];
