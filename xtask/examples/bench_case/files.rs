//! The files of a benchmark: the devices and packages of a simulated tenant, plain and as
//! Zstandard, in the order of the devices or shuffled. The same arguments give the same bytes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use clap::ValueEnum;
use core_simulator::{Row, SavedQuery, Tenant, TenantSpec, push_csv_line, write_csv};

use crate::shuffle::Shuffle;

/// The average number of packages per device.
const PACKAGES_PER_DEVICE: u32 = 80;

/// The compression level of the simulator and, presumably, of a service with many users.
const ZSTD_LEVEL: i32 = 1;

/// The size of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    /// 1,250 devices, 100,000 rows of packages.
    S,
    /// 12,500 devices, 1,000,000 rows of packages.
    M,
    /// 125,000 devices, 10,000,000 rows of packages.
    L,
    /// 250,000 devices, 20,000,000 rows of packages.
    L2,
    /// 625,000 devices, 50,000,000 rows of packages.
    Xl,
}

impl Size {
    fn tenant(self) -> Tenant {
        let devices = match self {
            Self::S => 1_250,
            Self::M => 12_500,
            Self::L => 125_000,
            Self::L2 => 250_000,
            Self::Xl => 625_000,
        };
        Tenant::new(TenantSpec {
            devices,
            users: 0,
            alerts: 0,
            packages_per_device: PACKAGES_PER_DEVICE,
            ..TenantSpec::default()
        })
    }
}

/// Writes `devices.csv`, `packages.csv` and both with `.zst`.
///
/// # Errors
///
/// The folder is not writable.
pub(crate) fn write(size: Size, shuffled: bool, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let tenant = size.tenant();
    for (name, query) in
        [("devices.csv", SavedQuery::Devices), ("packages.csv", SavedQuery::Packages)]
    {
        let plain = folder.join(name);
        let mut file = BufWriter::new(File::create(&plain)?);
        if shuffled {
            write_shuffled(&tenant, query, &mut file)?;
        } else {
            write_csv(&tenant, query, None, &mut file)?;
        }
        file.flush()?;
        let mut encoder =
            zstd::Encoder::new(File::create(folder.join(format!("{name}.zst")))?, ZSTD_LEVEL)?;
        encoder.include_checksum(true)?;
        io::copy(&mut File::open(&plain)?, &mut encoder)?;
        encoder.finish()?;
    }
    Ok(())
}

/// Writes the header and then the rows in an order unrelated to devices.
fn write_shuffled(tenant: &Tenant, query: SavedQuery, file: &mut impl io::Write) -> io::Result<()> {
    let mut line = Vec::new();
    push_csv_line(&mut line, query.columns().iter().copied());
    file.write_all(&line)?;
    let n_slots = tenant.slots(query);
    let (shuffle, mut row) = (Shuffle::new(n_slots), Row::new());
    for place in 0..n_slots {
        if tenant.row(query, shuffle.at(place), &mut row) {
            line.clear();
            push_csv_line(&mut line, row.cells());
            file.write_all(&line)?;
        }
    }
    Ok(())
}
