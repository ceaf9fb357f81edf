//! `authbench serve`: one strategy behind an Axum server.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use authbench::credential::Carrier;
use authbench::entropy::OsEntropy;
use authbench::settings::Settings;
use authbench::store::redis::RedisSettings;
use authbench::strategy::StrategyKind;
use authbench::strategy::contract::Family;
use authbench::token::key::{Algorithm, Key, Keyring, generate_key};

use crate::cli::{Exit, UsageError};
use crate::measure::stores::POSTGRES_URL_VARIABLE;
use crate::os::affinity;
use crate::server::config::{
    HiddenUrl, RedisConfig, ServeConfig, ServeReady, THREADS_MAX, carrier_from_name,
};
use crate::server::{Stop, serve};

/// Once standard input has ended, the process is gone after this long, whatever it is doing.
const ORPHAN_LIMIT: Duration = Duration::from_millis(500);
/// A configuration is a few kilobytes; longer input is not one.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Arguments of `authbench serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The strategy to serve, as `authbench list` names it
    #[arg(long, value_name = "ID", required_unless_present = "config_stdin")]
    strategy: Option<String>,
    /// How credentials travel: bearer or cookie
    #[arg(long, default_value = "bearer", value_parser = carrier_from_name)]
    carrier: Carrier,
    /// Where requests are answered; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where receipt and counters are; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Worker threads
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(THREADS_MAX)))]
    threads: u32,
    /// The Redis of the strategies that need one; AUTHBENCH_REDIS_URL when not given
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// The PostgreSQL of the strategies that need one; AUTHBENCH_POSTGRES_URL when not given
    #[arg(long, value_name = "URL")]
    postgres_url: Option<String>,
    /// The SQLite file of the strategies that need one; made where there is none
    #[arg(long, value_name = "FILE")]
    sqlite_file: Option<PathBuf>,
    /// Thread CPU time burnt by each GET /me beyond its work, microseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    spin_us: u32,
    /// The HS256 secret, at least 32 bytes; a line end at the end of the file is not part of it
    #[arg(long, value_name = "FILE")]
    hmac_secret_file: Option<PathBuf>,
    /// Read the whole configuration as one line of JSON, and end when standard input does
    #[arg(long, exclusive = true)]
    config_stdin: bool,
}

/// Runs the verb.
///
/// # Errors
/// What was wrong, where, and what to do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let stop = Stop::default();
    let config = if args.config_stdin {
        let config = read_config()?;
        stop_with_stdin(stop.clone());
        config
    } else {
        config_of(args)?
    };
    config.check()?;
    if !config.cpus.is_empty() {
        // Before the runtime: its threads inherit it.
        affinity::pin_thread(&config.cpus)?;
    }
    let mut builder = if config.threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder.worker_threads(config.threads as usize).enable_all().build()?;
    runtime.block_on(serve(config, stop, announce))?;
    runtime.shutdown_timeout(ORPHAN_LIMIT);
    Ok(Exit::Ok)
}

/// Says where the server is, in one line.
fn announce(ready: ServeReady) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&ready)?)?;
    out.flush()?;
    Ok(())
}

fn read_config() -> anyhow::Result<ServeConfig> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(CONFIG_BYTES_MAX)
        .read_line(&mut line)
        .context("cannot read the configuration")?;
    // serde_json quotes no values, so no key reaches the message.
    serde_json::from_str(&line).context("the first line of standard input is no configuration")
}

/// Ends the process when standard input does: whoever started it is gone.
fn stop_with_stdin(stop: Stop) {
    std::thread::spawn(move || {
        let mut ignored = [0; 256];
        while matches!(std::io::stdin().read(&mut ignored), Ok(1..)) {}
        stop.now();
        std::thread::sleep(ORPHAN_LIMIT);
        std::process::exit(1);
    });
}

fn config_of(args: &Args) -> anyhow::Result<ServeConfig> {
    let name = args.strategy.as_deref().unwrap_or_default();
    let strategy: StrategyKind =
        name.parse().map_err(|unknown| UsageError(format!("{unknown}")))?;
    // Not read by clap: `--config-stdin` excludes every other argument, and takes no environment.
    let redis_url = args.redis_url.clone().or_else(|| std::env::var("AUTHBENCH_REDIS_URL").ok());
    let postgres_url =
        args.postgres_url.clone().or_else(|| std::env::var(POSTGRES_URL_VARIABLE).ok());
    Ok(ServeConfig {
        strategy,
        carrier: args.carrier,
        data: args.listen,
        control: args.control,
        threads: args.threads,
        settings: Settings::default(),
        keys: keys_for(strategy, args.hmac_secret_file.as_deref())?,
        redis: redis_url.map(|url| RedisConfig {
            url,
            feed_url: None,
            settings: RedisSettings::default(),
        }),
        postgres_url: postgres_url.map(HiddenUrl),
        sqlite_file: args.sqlite_file.clone(),
        spin_ns: u64::from(args.spin_us) * 1_000,
        work_kib: 0,
        ping: false,
        cpus: Vec::new(),
        clock_offset_s: 0,
    })
}

/// Fresh keys of the strategy's algorithm, or the secret of a file and a fresh one behind it. A
/// strategy without an algorithm may still derive keys, and does so from HS256 secrets.
fn keys_for(strategy: StrategyKind, secret: Option<&Path>) -> anyhow::Result<Keyring> {
    let properties = strategy.properties();
    let derives = matches!(properties.family, Family::Token | Family::Link);
    let algorithm = properties.algorithm.or_else(|| derives.then_some(Algorithm::Hs256));
    if let Some(file) = secret {
        if algorithm != Some(Algorithm::Hs256) {
            bail!(UsageError(format!(
                "--hmac-secret-file is for strategies that sign with HS256; `{}` does not",
                strategy.name()
            )));
        }
        let key = Key {
            kid: "file".to_owned(),
            algorithm: Algorithm::Hs256,
            private: read_secret(file)?,
            public: Vec::new(),
        };
        let ring = Keyring::new(vec![
            key,
            generate_key("hs256-spare".to_owned(), Algorithm::Hs256, &OsEntropy)?,
        ]);
        ring.of(Algorithm::Hs256)?;
        return Ok(ring);
    }
    let algorithm = algorithm.unwrap_or(Algorithm::Hs256);
    let name = algorithm.name().to_ascii_lowercase();
    let keys = ["current", "previous"]
        .map(|age| generate_key(format!("{name}-{age}"), algorithm, &OsEntropy));
    let [current, previous] = keys;
    Ok(Keyring::new(vec![current?, previous?]))
}

fn read_secret(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut secret =
        std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    if secret.ends_with(b"\n") {
        secret.pop();
        if secret.ends_with(b"\r") {
            secret.pop();
        }
    }
    Ok(secret)
}
