//! The same cases on SQLite and on PostgreSQL, each case in a database of its own.

#![allow(clippy::unwrap_used)]

mod analyses;
mod billing;
mod calls;
mod campaigns;
mod cluster;
mod directory;
mod events;
mod faults;
mod knowledge;
mod ladders;
mod lists;
mod memories;
mod people;
mod privacy;
mod sample;
mod sealing;
mod spend;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use cluster::Cluster;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

type Case = fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($list:ident: $($module:ident::$case:ident,)+) => {
        /// Cases by their names.
        const $list: &[(&str, Case)] = &[
            $((stringify!($case), |url| Box::pin($module::$case(url))),)+
        ];
    };
}

cases! {
    CASES:
    calls::a_call_is_kept_from_ringing_to_its_end,
    calls::turns_recordings_and_incidents_read_back,
    calls::a_call_of_ours_is_kept_from_dialing_to_its_refusal,
    ladders::messages_read_back_with_the_call_that_they_are_of,
    calls::a_use_of_a_tool_is_kept_from_its_beginning_to_its_end,
    calls::every_write_may_be_repeated,
    calls::the_first_end_stays,
    calls::lists_go_back_by_cursor,
    calls::the_latest_call_of_an_external_id_is_found,
    calls::lost_calls_are_closed_once,
    calls::unicode_nul_and_endless_text_are_kept_or_cut,
    calls::a_database_is_opened_again_as_it_was,
    analyses::the_end_of_a_call_queues_its_analysis_in_the_same_batch,
    analyses::a_call_that_a_crash_closed_is_queued_too,
    analyses::a_claim_is_one_node_s_until_its_lease_is_over,
    analyses::a_start_opens_the_claims_of_the_process_before,
    analyses::every_end_reads_back,
    analyses::a_claim_that_is_over_changes_nothing,
    spend::spent_minutes_are_kept_by_node_for_two_days,
    memories::memories_are_bounded_and_the_one_confirmed_longest_ago_goes,
    memories::what_is_known_is_confirmed_and_what_expires_is_gone,
    memories::an_analysis_teaches_and_corrects,
    memories::what_is_erased_does_not_come_back_from_the_queue,
    faults::a_write_without_its_call_is_refused_with_its_batch,
    faults::a_batch_cut_off_at_any_point_leaves_all_or_nothing,
    faults::writers_at_the_same_time_lose_nothing,
    faults::a_thousand_writes_go_in_one_batch,
    faults::a_word_we_do_not_know_is_unreadable,
    faults::a_missing_table_is_unavailable,
    knowledge::a_document_is_found_by_its_words,
    knowledge::documents_are_listed_replaced_and_deleted,
    knowledge::a_claim_ends_with_its_lease_its_node_or_a_change,
    knowledge::vectors_are_searched_once_they_are_ready,
    knowledge::what_a_crash_left_is_cleared,
    knowledge::two_nodes_claim_each_document_once,
    knowledge::citations_stay_with_the_turn,
}

cases! {
    PEOPLE:
    people::an_organization_is_made_changed_once_a_version_and_deleted,
    people::users_belong_to_one_organization_and_it_keeps_an_owner,
    people::a_key_works_until_it_expires_and_overlaps_with_the_next,
    people::a_refresh_token_that_comes_again_ends_the_login,
    people::codes_are_taken_once,
    people::failures_are_counted_and_forgotten,
    people::the_audit_log_cannot_be_changed_and_shows_if_it_was,
    lists::calls_are_listed_for_their_organization_alone,
    lists::figures_are_counted_by_the_database,
    lists::a_session_is_opened_once_and_counted_while_it_is_open,
    billing::a_call_is_charged_once_with_its_month,
    billing::a_call_that_nobody_answered_and_that_used_nothing_is_not_charged,
    billing::a_call_that_a_crash_closed_is_charged_as_far_as_it_was_seen,
    billing::a_month_is_billed_once_and_its_invoice_stays,
    billing::plans_are_chosen_and_limits_are_the_lower_ones,
    billing::a_report_is_claimed_by_one_node_until_it_was_taken,
    directory::a_row_is_made_changed_once_a_version_and_each_version_stays,
    knowledge::documents_are_an_organization_s_and_go_with_it,
    directory::an_organization_s_rows_have_a_size_in_sum,
    directory::old_versions_go_and_the_latest_stay,
    directory::what_is_used_stays_and_a_number_is_one_organization_s,
    campaigns::a_campaign_is_made_changed_once_a_version_started_and_told,
    campaigns::people_are_added_once_and_listed_with_what_came_of_them,
    campaigns::a_contact_is_claimed_by_one_of_two_nodes,
    campaigns::an_attempt_ends_by_its_call_or_is_unknown,
    campaigns::a_retry_waits_its_time_and_comes_before_who_was_never_called,
    campaigns::a_zone_is_put_off_and_looked_at_again_when_its_windows_change,
    campaigns::who_is_on_the_list_is_never_claimed,
    events::what_happens_to_a_call_is_told_once_and_in_order,
    events::findings_usage_lost_calls_and_nodes_are_told,
    events::events_are_pruned_by_age_and_by_number,
    events::numbers_are_seen_in_order_by_whoever_looks,
    events::a_webhook_is_made_changed_once_a_version_rotated_and_deleted,
    events::deliveries_of_a_call_are_claimed_one_after_the_other,
    events::a_webhook_that_is_gone_is_switched_off_and_what_is_dead_can_be_sent_again,
    events::organizations_take_turns_and_none_has_all_slots,
    events::two_nodes_claim_each_delivery_once,
    events::leads_and_memories_are_an_organizations_and_followed_up,
    privacy::no_table_and_no_column_of_text_is_forgotten,
    privacy::a_person_is_found_and_erased_in_every_table_of_one_organization,
    privacy::a_person_is_found_by_address_where_it_is_named,
    privacy::a_job_waits_for_a_node_and_is_released_after_a_crash,
    privacy::what_is_too_old_goes_in_batches_and_is_noted_once,
    sealing::secrets_are_sealed_and_a_missing_key_is_named,
    sealing::what_is_in_the_clear_is_read_and_sealed_and_keys_are_rotated,
    sealing::a_value_that_was_moved_does_not_open,
    sealing::the_beginning_of_the_audit_log_is_taken_out_and_the_rest_proved,
}

/// Runs all cases, one after the other, and fails with the names of those that failed.
async fn run_cases(cases: &[(&str, Case)], mut fresh: impl AsyncFnMut(&str) -> String) {
    let mut failed = Vec::new();
    for (name, case) in cases {
        let url = fresh(name).await;
        if tokio::spawn(case(url)).await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// A folder that is removed at the end, also of a failed test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("offhook-store-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_runs_every_case() {
    let folder = Folder::new();
    let path = folder.0.display();
    let mut fresh = async |name: &str| format!("sqlite://{path}/{name}/with space/offhook.db");
    run_cases(CASES, &mut fresh).await;
    run_cases(PEOPLE, &mut fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_in_memory_runs_a_call() {
    calls::a_call_is_kept_from_ringing_to_its_end("sqlite::memory:".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_files_of_a_killed_process_hold_whole_batches() {
    let folder = Folder::new();
    faults::copied_files_hold_whole_batches(&folder.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_runs_every_case() {
    // A server that was given keeps the databases, named offhook_test_*.
    match std::env::var("OFFHOOK_TEST_POSTGRES_URL") {
        Ok(given) => on_postgres(&given).await,
        Err(_) => on_cluster(Cluster::start()).await,
    }
}

/// Debian's PostgreSQL has no pgvector; there, vectors lie in bytes.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_with_pgvector_runs_every_case() {
    on_cluster(Cluster::start_with_pgvector()).await;
}

async fn on_cluster(cluster: Result<Cluster, String>) {
    match cluster {
        Ok(cluster) => on_postgres(&cluster.url("postgres")).await,
        Err(reason) => no_cluster(&reason),
    }
}

fn no_cluster(reason: &str) {
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "no PostgreSQL to test on: {reason}");
    eprintln!("skipped: no PostgreSQL to test on: {reason}");
}

async fn on_postgres(server: &str) {
    let mut admin = PgConnection::connect(server).await.unwrap();
    let mut fresh = async |_: &str| {
        let name = format!("offhook_test_{}", Uuid::now_v7().simple());
        let create = format!("CREATE DATABASE {name}");
        admin.execute(AssertSqlSafe(create)).await.unwrap();
        let (before, _) = server.rsplit_once('/').unwrap();
        format!("{before}/{name}")
    };
    faults::a_cut_connection_is_made_again(fresh("cut").await).await;
    // A superuser, as which operators begin.
    assert!(store::Store::open(&fresh("free").await).await.unwrap().bypasses_row_security().await.unwrap());
    events::another_node_is_woken(fresh("woken").await).await;
    run_cases(CASES, &mut fresh).await;
    run_cases(PEOPLE, &mut fresh).await;
}

/// As in production: a role that owns its database and nothing else, so that row level security binds it.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_organizations_apart() {
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(reason) => return no_cluster(&reason),
    };
    let mut admin = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    admin.execute("CREATE ROLE plain LOGIN").await.unwrap();
    let mut fresh = async |name: &str| {
        // PostgreSQL cuts names at 63 bytes.
        let name = &name[..name.len().min(60)];
        let create = format!("CREATE DATABASE {name} OWNER plain");
        admin.execute(AssertSqlSafe(create)).await.unwrap();
        cluster.url(name).replace("postgres@", "plain@")
    };
    let url = fresh("apart").await;
    people::the_database_itself_keeps_organizations_apart(&url).await;
    run_cases(CASES, &mut fresh).await;
    run_cases(PEOPLE, &mut fresh).await;
}
