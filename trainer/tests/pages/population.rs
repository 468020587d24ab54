//! A store with many clients and samples, the same for the same numbers, written past the collector: with one transaction
//! and the indices of the migrations made behind the rows.

use std::path::Path;

use rusqlite::{Connection, params};
use sekisho_core::feature::{COUNT, FEATURES, schema_hash};

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub clients: u64,
    pub samples: u64,
    /// Unix seconds of the newest sample; the oldest is [`DAYS`] before.
    pub until: u32,
}

/// What the store keeps by default.
const DAYS: u32 = 30;
/// The table of a sample's indices while rows are written: made at the end they are sorted, not shuffled.
const LATE: [&str; 3] = ["sample_client", "sample_aged", "sample_id"];
const MODEL: &str = "abababababababababababababababababababababababababababababababab";
/// Of ten thousand clients: crawlers, and people of whom a sample was drawn.
const CRAWLERS: u64 = 1500;
/// Every nginx that is watched.
pub const WATCHED: [&str; 3] = ["shop", "blog", "forum"];
/// Its zones; the empty one has what belongs to none.
const ZONES: [&str; 3] = ["clients", "login", ""];
/// Seconds of what was counted, and of those that are kept by ten seconds and not by three hundred.
const COUNTED: u32 = 7 * 86_400;
const FINE: u32 = 2 * 86_400;
/// Explanations that are kept.
const EXPLAINED: usize = 5000;

/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One client as it is while samples are written.
#[derive(Clone, Copy, Default)]
struct Client {
    samples: u64,
    requests: u32,
    first: u32,
    last: u32,
    score: f32,
    newest: i64,
}

/// Fills a store that is empty and of this program's version.
pub fn fill(path: &Path, size: Size) {
    let connection = Connection::open(path).expect("opened");
    let fast = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -800000;
        PRAGMA locking_mode = EXCLUSIVE; PRAGMA foreign_keys = OFF;";
    connection.execute_batch(fast).expect("set");
    let late: Vec<String> = LATE.iter().map(|name| definition(&connection, name)).collect();
    connection.execute_batch("BEGIN").expect("begun");
    for name in LATE {
        connection
            .execute_batch(&format!("DROP INDEX {name}"))
            .expect("dropped");
    }
    let mut clients = vec![Client::default(); size.clients as usize];
    samples(&connection, size, &mut clients);
    write_clients(&connection, &clients);
    for sql in late {
        connection.execute_batch(&sql).expect("an index");
    }
    explanations(&connection, size);
    traffic(&connection, size);
    connection
        .execute_batch("COMMIT; PRAGMA journal_mode = WAL;")
        .expect("committed");
}

fn definition(connection: &Connection, index: &str) -> String {
    let select = "SELECT sql FROM sqlite_master WHERE name = ?";
    connection
        .query_row(select, [index], |row| row.get(0))
        .expect("an index")
}

fn is_crawler(client: u64) -> bool {
    mix(client) % 10_000 < CRAWLERS
}

/// Whose sample the next one is: crawlers have most, some of them very many.
fn whose(place: u64, clients: u64) -> u64 {
    let drawn = mix(place ^ 0x5eed);
    if place < clients {
        return place;
    }
    // A few hundred of the first are the busiest.
    match drawn % 10 {
        0..3 => mix(drawn) % clients.min(300),
        3..5 => mix(drawn) % clients.min(5000),
        _ => mix(drawn) % clients,
    }
}

fn samples(connection: &Connection, size: Size, clients: &mut [Client]) {
    let mut insert = connection
        .prepare(
            "INSERT INTO sample (seq, digest, client, id, at, aged, kind, requests, score, verdict, reasons, schema,
                features, model, challenger, challenger_score, method, target)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, NULL, NULL, 'GET', ?14)",
        )
        .expect("prepared");
    let from = u64::from(size.until - DAYS * 86_400);
    let span = u64::from(DAYS) * 86_400;
    for place in 0..size.samples {
        let number = whose(place, size.clients);
        let at = (from + span * place / size.samples) as u32;
        let client = &mut clients[number as usize];
        let crawler = is_crawler(number);
        client.samples += 1;
        client.requests += if client.samples == 1 { 10 } else { 32 };
        client.first = if client.samples == 1 { at } else { client.first };
        client.last = at;
        let wobble = (mix(place) % 100) as f32 / 1000.0;
        client.score = if crawler { 0.85 + wobble } else { 0.05 + wobble };
        let seq = place as i64 + 1;
        client.newest = seq;
        let features = features(number, crawler, client.requests, place);
        let reasons = if crawler {
            r#"["distinct_url_ratio","missing_referer_share","long_tail_share"]"#
        } else {
            "[]"
        };
        let target = format!("/shop/item-{}?page={}", mix(place) % 40_000, place % 50);
        insert
            .execute(params![
                seq,
                digest(place),
                number as i64 + 1,
                format!("{:016x}", mix(place)),
                at,
                if crawler { "flagged" } else { "contrast" },
                client.requests,
                client.score,
                verdict(number),
                reasons,
                schema_hash(),
                features,
                MODEL,
                target,
            ])
            .expect("inserted");
    }
}

/// Sixteen bytes, ascending: their index is written from its left to its right.
fn digest(place: u64) -> [u8; 16] {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&place.to_be_bytes());
    digest[8..].copy_from_slice(&mix(place).to_be_bytes());
    digest
}

fn verdict(number: u64) -> &'static str {
    if !is_crawler(number) {
        return "PASSED";
    }
    match mix(number ^ 1) % 100 {
        0 => "TRAPPED",
        1..3 => "ALLOWED",
        3..40 => "SUSPECT",
        40..60 => "REJECTED_DRY_RUN",
        _ => "REJECTED",
    }
}

fn severity(verdict: &str) -> i64 {
    match verdict {
        "ALLOWED" => 0,
        "PASSED" => 1,
        "SUSPECT" => 2,
        "REJECTED_DRY_RUN" => 3,
        "REJECTED" => 4,
        _ => 5,
    }
}

fn features(number: u64, crawler: bool, requests: u32, place: u64) -> Vec<u8> {
    let mut features = [0f32; COUNT];
    for (index, (value, feature)) in features.iter_mut().zip(&FEATURES).enumerate() {
        // Clients of one kind are alike, of eight kinds among crawlers.
        let kind = if crawler { 1 + mix(number ^ 7) % 8 } else { 0 };
        let middle = (mix(kind * 64 + index as u64) % 1000) as f32 / 1000.0;
        let wobble = (mix(place ^ (index as u64) << 40) % 100) as f32 / 1000.0;
        let (low, high) = feature.range;
        *value = low + (high.min(low + 8.0) - low) * (middle * 0.8 + wobble);
    }
    features[0] = (1.0 + requests as f32).log2();
    features.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Addresses of some four thousand networks, most clients in few of them; every twentieth is of IPv6.
fn name(number: u64) -> (String, String) {
    let drawn = mix(number ^ 0xadd2);
    let network = match drawn % 4 {
        0 => drawn / 4 % 40,
        _ => drawn / 4 % 4000,
    };
    let (high, low) = (network / 250, network % 250);
    if drawn.is_multiple_of(20) {
        let own = mix(number);
        return (
            format!("2001:db8:{network:x}:{:x}::/64", own % 0xffff),
            format!("2001:db8:{network:x}::/48"),
        );
    }
    // The number makes the name another one where a network is full.
    let host = number % 250 + 1;
    let octet = number / 250 % 200;
    (
        format!("{}.{high}.{low}.{host}", 10 + octet),
        format!("{}.{high}.{low}.0/24", 10 + octet),
    )
}

fn write_clients(connection: &Connection, clients: &[Client]) {
    let mut insert = connection
        .prepare(
            "INSERT OR IGNORE INTO client (id, zone, name, network, first, last, samples, requests, score, worst, severity,
                class, origin, conflict) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .expect("prepared");
    for (number, client) in (0u64..).zip(clients) {
        let (name, network) = name(number);
        let (class, origin) = match mix(number ^ 3) % 200 {
            0 => (Some("human"), Some("operator")),
            1..4 => (Some("crawler"), Some("trap")),
            _ => (None, None),
        };
        let zone = if number % 10 == 0 { "login" } else { "clients" };
        let word = verdict(number);
        let values = params![
            number as i64 + 1,
            zone,
            name,
            network,
            client.first,
            client.last,
            client.samples as i64,
            client.requests,
            client.score,
            word,
            severity(word),
            class,
            origin,
            class.is_some() && number % 50 == 0,
        ];
        insert.execute(values).expect("inserted");
    }
    drop(insert);
    let newest = "INSERT INTO newest (client, sample, aged, schema, digest, features)
        SELECT client, seq, aged, schema, digest, features FROM sample WHERE seq = ?";
    let mut insert = connection.prepare(newest).expect("prepared");
    for client in clients {
        insert.execute([client.newest]).expect("inserted");
    }
    // Names of IPv6 may meet: whoever came second is nobody.
    connection
        .execute_batch("DELETE FROM newest WHERE client NOT IN (SELECT id FROM client)")
        .expect("deleted");
}

/// Explanations by rule, of documents as long as real ones, all of clients that an operator labelled; of every tenth
/// somebody said that it is right. As many as past cases are looked for among.
fn explanations(connection: &Connection, size: Size) {
    let padding = "x".repeat(6000);
    let mut snapshot = connection
        .prepare("INSERT INTO snapshot (id, client, at, document) VALUES (?, ?, ?, ?)")
        .expect("prepared");
    let mut explanation = connection
        .prepare("INSERT INTO explanation (snapshot, at, source, document) VALUES (?, ?, 'rules', ?)")
        .expect("prepared");
    let mut feedback = connection
        .prepare(
            "INSERT INTO feedback (snapshot, at, author, verdict, told, note)
             VALUES (?, ?, 'ana', 'correct', 'price_watch', '')",
        )
        .expect("prepared");
    for (place, number) in (0..size.clients)
        .filter(|number| is_crawler(*number))
        .take(EXPLAINED)
        .enumerate()
    {
        let id = format!("{number:064x}");
        let own: Vec<u8> = features(number, is_crawler(number), 100, number);
        let values = own
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four")));
        let named: Vec<String> = (FEATURES.iter().zip(values))
            .map(|(feature, value)| format!("\"{}\":{value:?}", feature.name))
            .collect();
        let document = format!(
            "{{\"features\":{{{}}},\"padding\":\"{padding}\",\"window\":{{\"from\":{1},\"to\":{1}}}}}",
            named.join(","),
            size.until
        );
        let told = r#"{"explanation":{"category":"price_watch"}}"#;
        let client = number as i64 + 1;
        snapshot
            .execute(params![id, client, size.until, document])
            .expect("inserted");
        explanation
            .execute(params![id, size.until, told])
            .expect("inserted");
        if place % 10 == 0 {
            feedback.execute(params![id, size.until]).expect("inserted");
        }
    }
    let labelled =
        "UPDATE client SET class = 'crawler', origin = 'operator' WHERE id IN (SELECT client FROM snapshot)";
    connection.execute_batch(labelled).expect("updated");
}

/// What was counted in a week, as the daemon keeps it.
fn traffic(connection: &Connection, size: Size) {
    let mut insert = connection
        .prepare(
            "INSERT INTO traffic (step, at, nginx, zone, requests, scores, passed, suspect, rejected, rejected_dry_run,
                allowed, trapped, restrained, delayed, evictions, lock_failures, panics, breaker_trips, samples,
                samples_dropped, measured, nanoseconds)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?6, 0, 0, 1, 0, 0, 0, 0, 0, 0, ?6, 0, ?6, ?8)",
        )
        .expect("prepared");
    let until = size.until / 300 * 300;
    for (step, from, until) in [(300, until - COUNTED, until - FINE), (10, until - FINE, until)] {
        for at in (from..until).step_by(step as usize) {
            let requests = i64::from(step) * (20 + (mix(u64::from(at)) % 30) as i64);
            for nginx in WATCHED {
                for zone in ZONES {
                    let some = requests / 8;
                    let values = params![step, at, nginx, zone, requests, some, requests / 2, some * 900];
                    insert.execute(values).expect("inserted");
                }
            }
        }
    }
}
