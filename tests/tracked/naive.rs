//! The same cache without the guard, as a negative control: what is fetched is filed when its
//! answer has come, whatever was heard meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use authbench::store::redis::RedisHandle;
use authbench::store::{SessionKey, SessionRecord};
use redis::aio::MultiplexedConnection;
use redis::{PushInfo, Value, cmd};

use super::name_of;

type Records = Arc<Mutex<HashMap<Vec<u8>, SessionRecord>>>;

pub(crate) struct Naive {
    records: Records,
    connection: MultiplexedConnection,
}

impl Naive {
    pub(crate) async fn open(redis: &RedisHandle) -> Self {
        let records = Records::default();
        let shared = Arc::clone(&records);
        let hear = move |push: PushInfo| {
            let mut records = shared.lock().expect("no thread panicked");
            if let Some(Value::Array(names)) = push.data.first() {
                for name in names {
                    if let Value::BulkString(name) = name {
                        records.remove(name);
                    }
                }
            }
            Ok::<(), ()>(())
        };
        let mut connection = redis.open_feed(hear).await.expect("a feed");
        let track = cmd("CLIENT").arg("TRACKING").arg("ON").to_owned();
        track.query_async::<()>(&mut connection).await.expect("it tracks");
        Self { records, connection }
    }

    pub(crate) async fn load(&self, key: &SessionKey) -> Option<SessionRecord> {
        let name = name_of(key).into_bytes();
        if let Some(record) = self.records.lock().expect("no thread panicked").get(&name) {
            return Some(*record);
        }
        let mut connection = self.connection.clone();
        let get = cmd("GET").arg(&name).to_owned();
        let json: Option<Vec<u8>> = get.query_async(&mut connection).await.expect("an answer");
        let record = SessionRecord::from_json(&json?).expect("a record");
        self.records.lock().expect("no thread panicked").insert(name, record);
        Some(record)
    }
}
