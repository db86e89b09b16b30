//! `/api/v1/auth` and `/api/v1/me`: signing in, staying so, the second factor, and who one is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use platform::people::{ACCESS_LIFE, Actor, Credentials, Ids, Permission, REFRESH_LIFE, Refused, SignedIn, Visitor};
use serde::{Deserialize, Serialize};
use store::{Login, WallTime};
use utoipa::ToSchema;

use super::V1;
use super::access::{Asked, Stranger};
use super::body::Body;
use super::lists::{Listed, Paged, Part};
use super::users::UserShown;
use super::versions::{id, missing};
use crate::problem::Problem;

/// The refresh token of a browser.
const COOKIE: &str = "offhook-refresh";

/// What somebody shows to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginWish {
    /// The e-mail address.
    #[schema(min_length = 3, max_length = 254, example = "owner@offhook.local")]
    email: String,
    /// The password.
    #[schema(min_length = 1, max_length = 256)]
    password: String,
    /// A code of the authenticator, or a recovery code.
    #[schema(min_length = 6, max_length = 16, example = "123456")]
    totp: Option<String>,
    /// true: the refresh token is set as a cookie that scripts cannot read, and is not in the answer. For browsers.
    cookie: Option<bool>,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// For `/auth/refresh`, once; null when it is a cookie.
    refresh_token: Option<String>,
    /// Seconds that the access token works.
    #[schema(example = 900)]
    expires_in: u64,
    /// Always Bearer.
    #[schema(example = "Bearer")]
    token_type: &'static str,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshWish {
    /// The last one that was given out; absent: the cookie's.
    #[schema(min_length = 1, max_length = 128)]
    refresh_token: Option<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordWish {
    /// The one of today.
    #[schema(min_length = 1, max_length = 256)]
    current_password: String,
    /// The one to be: 12 characters at least, hard to guess.
    #[schema(min_length = 1, max_length = 256)]
    password: String,
}

/// The password, once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofWish {
    /// The password.
    #[schema(min_length = 1, max_length = 256)]
    password: String,
}

/// What an authenticator is told.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrolmentShown {
    /// The secret in base32, to be typed.
    secret: String,
    /// The same, to be shown as a QR code.
    otpauth_url: String,
}

/// A code of the authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeWish {
    /// Six digits.
    #[schema(min_length = 6, max_length = 8, example = "123456")]
    code: String,
}

/// Codes for a lost telephone.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Each works once. They are not shown again.
    recovery_codes: Vec<String>,
}

/// A login.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginShown {
    /// Its id.
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    /// Where it came from.
    address: String,
    /// What the program calls itself.
    user_agent: String,
    /// When it began.
    created_at: String,
    /// When it was refreshed last.
    used_at: String,
    /// Until when it can be refreshed.
    expires_at: String,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// `user`, `key` or `node`.
    kind: &'static str,
    /// The organization.
    organization_id: String,
    /// The role.
    role: String,
    /// What may be done.
    permissions: Vec<&'static str>,
    /// The user; null for a key.
    user: Option<UserShown>,
}

/// Signs in.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", request_body = LoginWish, security(),
    responses((status = 200, body = Tokens), (status = "4XX", body = super::openapi::ProblemShown, content_type = "application/problem+json")))]
pub(super) async fn login(
    State(api): State<Arc<V1>>,
    from: Stranger,
    headers: HeaderMap,
    Body(wish): Body<LoginWish>,
) -> Result<Response, Problem> {
    let shown = Credentials { email: &wish.email, password: &wish.password, code: wish.totp.as_deref() };
    let visitor = Visitor { address: &from.address, agent: &from.agent, at: WallTime::now() };
    let signed = api.people()?.sign_in(shown, visitor).await?;
    Ok(tokens(&headers, &signed, wish.cookie == Some(true)))
}

/// Takes a refresh token and gives out the next pair. One that comes twice ends the login.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", request_body = RefreshWish, security(),
    responses((status = 200, body = Tokens), (status = "4XX", body = super::openapi::ProblemShown, content_type = "application/problem+json")))]
pub(super) async fn refresh(
    State(api): State<Arc<V1>>,
    headers: HeaderMap,
    Body(wish): Body<RefreshWish>,
) -> Result<Response, Problem> {
    let cookie = if wish.refresh_token.is_none() { cookie_of(&headers)? } else { None };
    let is_cookie = cookie.is_some();
    let token =
        wish.refresh_token.or(cookie).ok_or_else(|| Problem::field("refresh_token", "is missing, and so is the cookie"))?;
    let refreshed = api.people()?.refresh(&token, WallTime::now()).await;
    match refreshed {
        Ok(signed) => Ok(tokens(&headers, &signed, is_cookie)),
        // The cookie is worth nothing any more.
        Err(refused @ (Refused::Invalid | Refused::Reused)) if is_cookie => {
            Ok(with_cookie(Problem::from(refused).into_response(), &headers, None))
        }
        Err(refused) => Err(refused.into()),
    }
}

/// Ends the login that asks.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", responses((status = 204)))]
pub(super) async fn logout(State(api): State<Arc<V1>>, asked: Asked, headers: HeaderMap) -> Result<Response, Problem> {
    api.people()?.sign_out(&asked.ids()?, "logout", &asked.act()).await?;
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), &headers, None))
}

/// Takes a new password. All logins end, this one too.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "auth", request_body = PasswordWish, responses((status = 204)))]
pub(super) async fn password(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(wish): Body<PasswordWish>,
) -> Result<StatusCode, Problem> {
    let people = api.people()?;
    let user = asked.user(people).await?;
    people
        .change_password(&user, &wish.current_password, &wish.password, &asked.act())
        .await
        .map_err(wrong("current_password"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins to set up an authenticator.
#[utoipa::path(post, path = "/api/v1/auth/mfa/enroll", tag = "auth", request_body = ProofWish, responses((status = 200, body = EnrolmentShown)))]
pub(super) async fn enroll(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(wish): Body<ProofWish>,
) -> Result<Json<EnrolmentShown>, Problem> {
    let people = api.people()?;
    let user = asked.user(people).await?;
    people.prove(&user, &wish.password, &asked.act()).await.map_err(wrong("password"))?;
    let enrolment = people.enroll(&user).await?;
    let (secret, otpauth_url) = (enrolment.secret.expose().to_owned(), enrolment.url.expose().to_owned());
    Ok(Json(EnrolmentShown { secret, otpauth_url }))
}

/// Shows the first code of an authenticator; from then on one is asked for at signing in.
#[utoipa::path(post, path = "/api/v1/auth/mfa/verify", tag = "auth", request_body = CodeWish, responses((status = 200, body = RecoveryCodes)))]
pub(super) async fn verify(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(wish): Body<CodeWish>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let people = api.people()?;
    let user = asked.user(people).await?;
    let recovery_codes = people.confirm(&user, &wish.code, &asked.act()).await.map_err(wrong("code"))?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Has no codes asked for any more.
#[utoipa::path(post, path = "/api/v1/auth/mfa/disable", tag = "auth", request_body = ProofWish, responses((status = 204)))]
pub(super) async fn disable(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(wish): Body<ProofWish>,
) -> Result<StatusCode, Problem> {
    let people = api.people()?;
    let user = asked.user(people).await?;
    people.prove(&user, &wish.password, &asked.act()).await.map_err(wrong("password"))?;
    people.store().disable_mfa(&user.organization, user.id, &asked.act()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the logins of the user who asks.
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "auth", params(Part), responses((status = 200, body = Listed<LoginShown>)))]
pub(super) async fn sessions(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<LoginShown>>, Problem> {
    let Ids { organization, user, login } = asked.ids()?;
    let logins = api.people()?.store().logins(&organization, user, asked.at, &page).await?;
    let shown = |row: Login| LoginShown {
        id: row.id.to_string(),
        current: row.id == login,
        address: row.address,
        user_agent: row.agent,
        created_at: row.created_at.to_string(),
        used_at: row.used_at.to_string(),
        expires_at: row.expires_at.to_string(),
    };
    Ok(Json(Listed::of(logins, &page, |row| row.id.to_string(), shown)))
}

/// Ends a login of the user who asks.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", tag = "auth", params(("id" = String, Path)), responses((status = 204), (status = 404)))]
pub(super) async fn revoke(State(api): State<Arc<V1>>, asked: Asked, Path(session): Path<String>) -> Result<StatusCode, Problem> {
    let ids = Ids { login: id(&session)?, ..asked.ids()? };
    match api.people()?.sign_out(&ids, "revoked", &asked.act()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing()),
    }
}

/// Tells who asks, and what they may.
#[utoipa::path(get, path = "/api/v1/me", tag = "auth", responses((status = 200, body = Me)))]
pub(super) async fn me(State(api): State<Arc<V1>>, asked: Asked) -> Result<Json<Me>, Problem> {
    let (kind, user) = match asked.principal.actor {
        Actor::User { .. } => ("user", Some(UserShown::from(asked.user(api.people()?).await?))),
        Actor::Key(_) => ("key", None),
        Actor::Node => ("node", None),
    };
    let may = Permission::ALL.iter().filter(|permission| asked.principal.may(**permission));
    Ok(Json(Me {
        kind,
        organization_id: asked.principal.organization.to_string(),
        role: asked.principal.role.to_string(),
        permissions: may.map(|permission| permission.as_str()).collect(),
        user,
    }))
}

/// Of somebody who is signed in a wrong password is a wrong field, and not a reason to sign in again.
fn wrong(field: &'static str) -> impl Fn(Refused) -> Problem {
    move |refused| match refused {
        Refused::Wrong => Problem::field(field, "is wrong"),
        other => other.into(),
    }
}

fn tokens(headers: &HeaderMap, signed: &SignedIn, as_cookie: bool) -> Response {
    let refresh = signed.refresh_token.expose();
    let answer = Json(Tokens {
        access_token: signed.access_token.expose().to_owned(),
        refresh_token: (!as_cookie).then(|| refresh.to_owned()),
        expires_in: ACCESS_LIFE.as_secs(),
        token_type: "Bearer",
    });
    if as_cookie { with_cookie(answer.into_response(), headers, Some(refresh)) } else { answer.into_response() }
}

/// Sets the cookie, or takes it away. SameSite=Strict and the path: no other site can have it sent, and no other route sees it.
fn with_cookie(mut response: Response, headers: &HeaderMap, token: Option<&str>) -> Response {
    let (value, age) = token.map_or(("", 0), |token| (token, REFRESH_LIFE.as_secs()));
    // A browser keeps `Secure` from plain HTTP, which is only ever spoken with this machine itself.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let here =
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| host.split_once(':').map_or(host, |(name, _)| name) == *name);
    let secure = if here { "" } else { "; Secure" };
    let cookie = format!("{COOKIE}={value}; Path=/api/v1/auth; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The token of the cookie. A browser says where a request comes from: one from another site is refused even so.
fn cookie_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "the cookie is for pages of this server only"));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
    let mine = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    Ok(mine.map(|(_, token)| token.to_owned()))
}
