//! Who may sign in: the service over the records, and the owner of a server that is new.

use platform::people::{FIRST_OWNER, People};
use store::{Store, WallTime};

/// The service.
pub async fn open(database: &Store) -> anyhow::Result<People> {
    if database.bypasses_row_security().await? {
        tracing::warn!(
            "database.url: its role is not bound by row level security, so the queries alone keep organizations apart"
        );
    }
    Ok(People::open(database.clone(), WallTime::now()).await?)
}

/// Makes an owner when there is no user yet; a line with the password, which is shown this once.
pub async fn first_owner(people: &People) -> anyhow::Result<Option<String>> {
    let password = people.first_owner(WallTime::now()).await?;
    Ok(password.map(|password| format!("  owner    {FIRST_OWNER}, password {password} (shown once: change it)")))
}
