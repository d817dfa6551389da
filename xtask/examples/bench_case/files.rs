//! The files of a benchmark: the devices and packages of a simulated tenant, plain and as Zstandard,
//! in the order of the devices or shuffled. The same arguments give the same bytes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;

use anyhow::bail;
use clap::ValueEnum;
use core_simulator::{SavedQuery, Tenant, TenantSpec, write_csv};

/// Packages of a device, on average.
const PACKAGES_PER_DEVICE: u32 = 80;

/// The level of the simulator and, as far as is known, of a service that serves many.
const ZSTD_LEVEL: i32 = 1;

/// How large the tenant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    /// 1,250 devices, 100,000 rows of packages.
    S,
    /// 12,500 devices, 1,000,000 rows of packages.
    M,
    /// 125,000 devices, 10,000,000 rows of packages.
    L,
}

impl Size {
    fn tenant(self) -> Tenant {
        let devices = match self {
            Size::S => 1_250,
            Size::M => 12_500,
            Size::L => 125_000,
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
/// The folder cannot be written, or the rows of L are to be shuffled, which is done in memory.
pub(crate) fn write(size: Size, shuffled: bool, folder: &Path) -> anyhow::Result<()> {
    if shuffled && size == Size::L {
        bail!("rows are shuffled in memory: S or M only");
    }
    fs::create_dir_all(folder)?;
    let tenant = size.tenant();
    for (name, query) in
        [("devices.csv", SavedQuery::Devices), ("packages.csv", SavedQuery::Packages)]
    {
        let plain = folder.join(name);
        let mut file = BufWriter::new(File::create(&plain)?);
        if shuffled {
            let mut csv = Vec::new();
            write_csv(&tenant, query, None, &mut csv)?;
            write_shuffled(&csv, &mut file)?;
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

/// Writes the header and then the rows in an order that has nothing to do with theirs.
fn write_shuffled(csv: &[u8], file: &mut impl io::Write) -> io::Result<()> {
    let mut rows = rows(csv);
    let header = rows.remove(0);
    // Fisher and Yates; the numbers are those of SplitMix64 from a fixed seed.
    let mut seed = 0_u64;
    for last in (1..rows.len()).rev() {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = seed;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^= number >> 31;
        let other = number % (last as u64 + 1);
        rows.swap(last, usize::try_from(other).expect("it is at most `last`"));
    }
    file.write_all(&csv[header])?;
    rows.into_iter().try_for_each(|row| file.write_all(&csv[row]))
}

/// Where the header and each row stand, line end included. A line end inside quotes ends no row.
fn rows(csv: &[u8]) -> Vec<Range<usize>> {
    let (mut rows, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, &byte) in csv.iter().enumerate() {
        is_quoted ^= byte == b'"';
        if byte == b'\n' && !is_quoted {
            rows.push(start..at + 1);
            start = at + 1;
        }
    }
    rows
}
