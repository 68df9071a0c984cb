//! The three column types that the two databases write differently.
//!
//! | here | PostgreSQL | SQLite |
//! |---|---|---|
//! | `Guid` | `UUID` | 16 bytes; UUIDv7 keeps the order of time |
//! | `Tstz` | `TIMESTAMPTZ` | microseconds since 1970, UTC |
//! | `JsonDoc` | `JSON` | text |

use chrono::{DateTime, SubsecRound, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::query_builder::QueryId;
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, HasSqlType, Json as PgJson, SqlType, Text, Timestamptz, Uuid as PgUuid};
use diesel::sqlite::Sqlite;
use uuid::Uuid;

use crate::StoreError;
use crate::multi::MultiBackend;

/// SQL type of an id.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951), sqlite_type(name = "Binary"))]
pub struct Guid;

/// SQL type of a moment.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185), sqlite_type(name = "Long"))]
pub struct Tstz;

/// SQL type of a JSON text.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 114, array_oid = 199), sqlite_type(name = "Text"))]
pub struct JsonDoc;

/// An id, as a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Guid)]
pub(crate) struct Id(pub(crate) Uuid);

/// A moment, as a column; whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Tstz)]
pub(crate) struct At(DateTime<Utc>);

/// A JSON value, as a column.
#[derive(Clone, Debug, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = JsonDoc)]
pub(crate) struct Json(pub(crate) serde_json::Value);

macro_rules! ids {
    ($($name:ident)*) => {$(
        impl From<policy::id::$name> for Id {
            fn from(id: policy::id::$name) -> Self {
                Self(id.uuid())
            }
        }

        impl From<Id> for policy::id::$name {
            fn from(id: Id) -> Self {
                Self::new(id.0)
            }
        }
    )*};
}

ids!(
    AccountId PersonId MemberId SessionId ServiceId SpecVersionId SubscriptionId RoleId KeyId InvitationId GatewayId
    RoleSessionId MailId EventId AuditId RequestId
);

impl From<DateTime<Utc>> for At {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.trunc_subsecs(6))
    }
}

impl From<At> for DateTime<Utc> {
    fn from(at: At) -> Self {
        at.0
    }
}

impl Json {
    /// Writes a value that has no other form than JSON.
    pub(crate) fn of(value: &impl serde::Serialize, what: &'static str) -> Result<Self, StoreError> {
        serde_json::to_value(value).map(Self).map_err(|_| StoreError::Corrupt(what))
    }

    /// Reads it back.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(self, what: &'static str) -> Result<T, StoreError> {
        serde_json::from_value(self.0).map_err(|_| StoreError::Corrupt(what))
    }
}

macro_rules! columns {
    ($($sql:ty: $name:ident as $pg:ty, $sqlite:ty, $inner:ty;)*) => {$(
        impl HasSqlType<$sql> for MultiBackend {
            fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
                Self::lookup_sql_type::<$sql>(lookup)
            }
        }

        impl FromSql<$sql, MultiBackend> for $name {
            fn from_sql(bytes: <MultiBackend as Backend>::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                bytes.from_sql::<Self, $sql>()
            }
        }

        impl ToSql<$sql, MultiBackend> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> diesel::serialize::Result {
                out.set_value((<$sql>::default(), self));
                Ok(IsNull::No)
            }
        }

        impl FromSql<$sql, Pg> for $name {
            fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                <$inner as FromSql<$pg, Pg>>::from_sql(bytes).map(Self)
            }
        }

        impl ToSql<$sql, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
                ToSql::<$pg, Pg>::to_sql(&self.0, &mut out.reborrow())
            }
        }
    )*};
}

columns! {
    Guid: Id as PgUuid, Binary, Uuid;
    Tstz: At as Timestamptz, BigInt, DateTime<Utc>;
    JsonDoc: Json as PgJson, Text, serde_json::Value;
}

impl FromSql<Guid, Sqlite> for Id {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(bytes)?;
        Ok(Self(Uuid::from_slice(&bytes)?))
    }
}

impl ToSql<Guid, Sqlite> for Id {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(&self.0.as_bytes()[..]);
        Ok(IsNull::No)
    }
}

impl FromSql<Tstz, Sqlite> for At {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let micros = <i64 as FromSql<BigInt, Sqlite>>::from_sql(bytes)?;
        Ok(Self(DateTime::from_timestamp_micros(micros).ok_or("a moment out of range")?))
    }
}

impl ToSql<Tstz, Sqlite> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(self.0.timestamp_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<JsonDoc, Sqlite> for Json {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let text = <String as FromSql<Text, Sqlite>>::from_sql(bytes)?;
        Ok(Self(serde_json::from_str(&text)?))
    }
}

impl ToSql<JsonDoc, Sqlite> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}

/// A count as a column; no count of ours comes near the limit.
pub(crate) fn big(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count read back.
pub(crate) fn count<T: TryFrom<i64>>(value: i64, what: &'static str) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(what))
}

/// A checked text or word read back.
pub(crate) fn checked<T, E>(value: Result<T, E>, what: &'static str) -> Result<T, StoreError> {
    value.map_err(|_| StoreError::Corrupt(what))
}

/// 32 bytes read back.
pub(crate) fn digest(bytes: &[u8], what: &'static str) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt(what))
}

/// A text that PostgreSQL takes: it refuses the NUL character, which no text of ours needs.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
