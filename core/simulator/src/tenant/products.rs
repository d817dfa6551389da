//! The products of the catalogue: well-known names, names that have broken parsers, and invented
//! ones to fill it up.

use std::borrow::Cow;

use super::dice::Dice;

/// Software of one publisher, in no particular version.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    name: Cow<'static, str>,
    pub(crate) publisher: &'static str,
    numbering: Numbering,
    pub(crate) platform_known: bool,
}

/// The form of a product's versions.
#[derive(Debug, Clone, Copy)]
enum Numbering {
    /// `14.38.9300`
    Semantic(usize),
    /// `10.0.21998.71`
    Build(usize),
    /// `[4, 2, 71]`, the list-like text of some fields of the source.
    List(usize),
    /// An update: the article number is in the name.
    Article,
}

impl Product {
    /// Name and version of the edition that is `age` editions old.
    pub(crate) fn edition(&self, age: u64, dice: &mut Dice) -> (String, String) {
        let name = &self.name;
        match self.numbering {
            Numbering::Semantic(major) => {
                // The minor version and the last digits of the patch depend on the age.
                let (minor, patch) = (40 - age % 41, dice.below(100) * 100 + age / 41);
                (name.to_string(), format!("{major}.{minor}.{patch}"))
            }
            Numbering::Build(major) => {
                let build = 22_000 - age.min(21_000);
                (name.to_string(), format!("{major}.0.{build}.{}", dice.below(100)))
            }
            Numbering::List(major) => {
                (name.to_string(), format!("[{major}, {age}, {}]", dice.below(100)))
            }
            Numbering::Article => {
                let article = 5_090_000_u64.saturating_sub(age * 137);
                (format!("{name} (KB{article})"), format!("1.{age}"))
            }
        }
    }

    pub(crate) const fn is_update(&self) -> bool {
        matches!(self.numbering, Numbering::Article)
    }
}

const fn product(name: &'static str, publisher: &'static str, numbering: Numbering) -> Product {
    Product { name: Cow::Borrowed(name), publisher, numbering, platform_known: true }
}

const fn unknown_platform(name: &'static str) -> Product {
    let numbering = Numbering::Semantic(1);
    Product { name: Cow::Borrowed(name), publisher: "", numbering, platform_known: false }
}

/// Invented product `index`, less than [`N_INVENTED`].
pub(crate) fn invented(index: usize) -> Product {
    let (maker, publisher) = MAKERS[index % MAKERS.len()];
    Product {
        name: Cow::Owned(format!("{maker} {}", PURPOSES[index / MAKERS.len()])),
        publisher,
        numbering: Numbering::Semantic(1 + index % 12),
        platform_known: true,
    }
}

/// The number of different products of [`invented`].
pub(crate) const N_INVENTED: usize = MAKERS.len() * PURPOSES.len();

/// The first word of an invented product, and its publisher.
const MAKERS: &[(&str, &str)] = &[
    ("Contoso", "Contoso Ltd"),
    ("Fabrikam", "Fabrikam, Inc."),
    ("Northwind", "Northwind Traders"),
    ("Litware", "Litware, Inc."),
    ("Tailspin", "Tailspin Toys"),
    ("Adatum", "A. Datum Corporation"),
    ("Proseware", "Proseware, Inc."),
    ("Wingtip", "Wingtip Systems"),
    ("Trey", "Trey Research"),
    ("Lucerne", "Lucerne Publishing"),
    ("Relecloud", "Relecloud"),
    ("Globex", "Globex Corporation"),
    ("Initech", "Initech"),
    ("Umbra", "Umbra Sàrl"),
    ("Blauwal", "Blauwal Software GmbH & Co. KG"),
];

const PURPOSES: &[&str] = &[
    "Agent",
    "Archive Viewer",
    "Asset Tracker",
    "Backup",
    "Badge Printer",
    "Calendar Sync",
    "Compiler Tools",
    "Conference Bridge",
    "Contract Editor",
    "Data Explorer",
    "Device Manager",
    "Diagram Studio",
    "Document Scanner",
    "Drive Encryption",
    "Expense Reports",
    "Font Pack",
    "Helpdesk",
    "Label Designer",
    "Ledger",
    "Media Converter",
    "Password Vault",
    "Print Driver",
    "Runtime",
    "Screen Recorder",
];

pub(crate) const WINDOWS: &[Product] = &[
    product("Nexthink Collector", "Nexthink", Numbering::Semantic(26)),
    product("Microsoft Edge", "Microsoft Corporation", Numbering::Build(137)),
    product(
        "Microsoft 365 Apps for enterprise - en-us",
        "Microsoft Corporation",
        Numbering::Build(16),
    ),
    product("Microsoft OneDrive", "Microsoft Corporation", Numbering::Build(26)),
    product("Microsoft Teams", "Microsoft Corporation", Numbering::Semantic(26)),
    product("Security Update for Microsoft Windows", "Microsoft Corporation", Numbering::Article),
    product("Google Chrome", "Google LLC", Numbering::Build(137)),
    product("Zoom Workplace (64-bit)", "Zoom Communications, Inc.", Numbering::Semantic(6)),
    product("Adobe Acrobat (64-bit)", "Adobe", Numbering::Semantic(25)),
    product("7-Zip 26 (x64)", "Igor Pavlov", Numbering::Semantic(26)),
    product(
        "Microsoft Visual C++ 2015-2022 Redistributable (x64)",
        "Microsoft Corporation",
        Numbering::Build(14),
    ),
    product("Notepad++ (64-bit x64)", "Notepad++ Team", Numbering::Semantic(8)),
    product("Mozilla Firefox (x64 en-US)", "Mozilla", Numbering::Semantic(139)),
    product("VLC media player", "VideoLAN", Numbering::Semantic(3)),
    product("Git", "The Git Development Community", Numbering::Semantic(2)),
    product("Microsoft Visual Studio Code", "Microsoft Corporation", Numbering::Semantic(1)),
    product("PuTTY release (64-bit)", "Simon Tatham", Numbering::Semantic(0)),
    product("Update for Windows Defender Antivirus", "Microsoft Corporation", Numbering::Article),
    product(
        "Acme \"Fast\" Reporting, Professional Edition",
        "Acme Software, Inc.",
        Numbering::Semantic(4),
    ),
    product("Contoso VPN Client", "Contoso Ltd", Numbering::Semantic(5)),
    product("Java SE Development Kit (64-bit)", "Oracle Corporation", Numbering::Semantic(21)),
    product("Büro-Software für Behörden", "Müller & Söhne GmbH", Numbering::Semantic(9)),
    product("Outil de paie « Élan », édition 2026", "Société Générique SA", Numbering::Semantic(3)),
    product("業務日報システム", "株式会社サンプル", Numbering::Semantic(2)),
    product("Инвентаризация", "ООО Пример", Numbering::Semantic(7)),
    product("Label Printer Driver\nfor Warehouse 7", "Fabrikam", Numbering::Semantic(1)),
    product("=SUM(Budget) Add-in", "Tailspin Toys", Numbering::Semantic(1)),
    product("@scope/desktop-agent", "", Numbering::Semantic(0)),
    product("-- legacy launcher --", "", Numbering::Semantic(1)),
    product(" Scanner Utility ", " Northwind Traders ", Numbering::List(4)),
    product("Café ☕ Timer", "Jane's \"Tiny\" Tools", Numbering::Semantic(1)),
    product("CAD Workbench 2026", "Litware, Inc.", Numbering::List(26)),
    unknown_platform("Unattributed Helper"),
];

pub(crate) const MAC: &[Product] = &[
    product("Nexthink Collector", "Nexthink", Numbering::Semantic(26)),
    product("Safari", "Apple Inc.", Numbering::Semantic(19)),
    product("Google Chrome", "Google LLC", Numbering::Build(137)),
    product("Microsoft Outlook", "Microsoft Corporation", Numbering::Semantic(16)),
    product("zoom.us", "Zoom Communications, Inc.", Numbering::Semantic(6)),
    product("Slack", "Slack Technologies, LLC", Numbering::Semantic(4)),
    product("1Password", "AgileBits Inc.", Numbering::Semantic(8)),
    product("Xcode", "Apple Inc.", Numbering::Semantic(26)),
    product("iTerm", "George Nachman", Numbering::Semantic(3)),
    product("Übersicht – Schreibtisch", "Beispiel e.K.", Numbering::Semantic(1)),
    product("Visual Studio Code", "Microsoft Corporation", Numbering::Semantic(1)),
    unknown_platform("Design \"Quick Look\", Plug-in"),
];

pub(crate) const LINUX: &[Product] = &[
    product("nexthink-collector", "Nexthink", Numbering::Semantic(26)),
    product("openssl", "", Numbering::Semantic(3)),
    product("linux-image-generic", "Canonical", Numbering::Semantic(6)),
    product("firefox-esr", "Mozilla", Numbering::Semantic(128)),
    product("python3", "", Numbering::Semantic(3)),
    product("libreoffice-core", "The Document Foundation", Numbering::Semantic(25)),
    product("g++-14", "", Numbering::Semantic(14)),
    product("containerd.io", "Docker Inc.", Numbering::Semantic(1)),
];
