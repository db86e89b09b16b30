// People: signing in with and without a code, what a viewer cannot do, what another organization does not see, keys, the audit log.
import { check, given, inBrowser, signIn, signOut, totp, visitor } from "./harness.mjs";

const VIEWER = "vera@example.com";
const VIEWER_PASSWORD = "Brisk-Lantern-41-Harbour";

await inBrowser(async (browser) => {
  const owner = await visitor(browser);

  await owner.goto("/");
  await owner.getByLabel("E-mail").fill(given.email);
  await owner.getByLabel("Password").fill("not-the-password");
  await owner.getByRole("button", { name: "Sign in" }).click();
  await owner.getByRole("alert").first().waitFor();
  check(true, "a wrong password is told");
  await signIn(owner, given.email, given.password);
  check(true, "the owner signs in");

  const stored = await owner.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  check(!/eyJ|refresh/.test(stored), `no token is where a script can read it: ${stored}`);
  await owner.reload();
  await owner
    .getByRole("button", { name: /^Account of/ })
    .first()
    .waitFor();
  check(true, "a reload stays signed in, by the cookie");

  await owner.goto("/users");
  await owner.getByRole("button", { name: "Add a user" }).first().click();
  const dialog = owner.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Vera Viewer");
  await dialog.getByLabel("E-mail").fill(VIEWER);
  await dialog.getByLabel("First password").fill("vera");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByRole("alert").first().waitFor();
  check(
    (await dialog.getByLabel("First password").getAttribute("aria-invalid")) === "true",
    "a weak password is told at its field",
  );
  await dialog.getByLabel("First password").fill(VIEWER_PASSWORD);
  await dialog.getByRole("button", { name: "Add" }).click();
  await owner
    .getByRole("cell", { name: /vera@example.com/ })
    .first()
    .waitFor();
  check(true, "the owner adds a viewer");

  await owner.goto("/api-keys");
  await owner.getByRole("button", { name: "Make a key" }).first().click();
  await owner.getByLabel("What it is for").fill("n8n");
  await owner.getByRole("button", { name: "Make the key" }).click();
  const letters = await owner.getByRole("dialog").locator(".secret code").innerText();
  check(letters.startsWith("ohk_"), "a key is shown");
  const works = await owner.request.get("/api/v1/me", { headers: { "x-api-key": letters } });
  check(works.status() === 200, "the key works");
  await owner.getByRole("button", { name: "I have it" }).click();
  await owner.getByRole("cell", { name: /n8n/ }).first().waitFor();
  await owner.reload();
  await owner.getByRole("cell", { name: /n8n/ }).first().waitFor();
  check(!(await owner.content()).includes(letters), "and only once");

  await owner.goto("/account");
  await owner.getByRole("button", { name: "Set it up" }).click();
  await owner.getByLabel("Your password, once more").fill(given.password);
  await owner.getByRole("button", { name: "Go on" }).click();
  await owner.getByRole("img", { name: /QR code/ }).waitFor();
  const secret = await owner.getByRole("dialog").locator(".secret code").innerText();
  await owner.getByLabel("Code", { exact: true }).fill(totp(secret));
  await owner.getByRole("button", { name: "Switch it on" }).click();
  await owner.getByRole("heading", { name: "Keep these codes" }).waitFor();
  const codes = (await owner.getByRole("dialog").locator("pre").innerText()).trim().split("\n");
  check(codes.length === 10, "a second factor is set up by its QR code, and ten recovery codes are shown");
  await owner.getByRole("button", { name: "I have them" }).click();

  await signOut(owner);
  await owner.goto("/users");
  await owner.getByRole("heading", { name: "Sign in" }).waitFor();
  check(true, "who signed out sees nothing more");
  await signIn(owner, given.email, given.password, totp(secret, 1));
  check(true, "the owner signs in with a code");

  await owner.goto("/audit-log");
  for (const action of ["user.created", "api_key.created"]) {
    await owner
      .getByRole("cell", { name: new RegExp(`^${action.replace(".", "\\.")}`) })
      .first()
      .waitFor();
  }
  check(true, "the audit log has what was done");

  const viewer = await visitor(browser);
  await signIn(viewer, VIEWER, VIEWER_PASSWORD);
  const places = await viewer.getByRole("navigation", { name: "Pages" }).getByRole("link").allInnerTexts();
  const hidden = ["Users", "API keys", "Audit log"].filter((name) => places.includes(name));
  check(hidden.length === 0 && places.includes("Calls"), `a viewer is shown what a viewer may: ${places}`);
  await viewer.goto("/calls");
  await viewer.getByRole("heading", { name: "Calls", exact: true }).waitFor();
  check((await viewer.getByRole("button", { name: "Place a call" }).count()) === 0, "a viewer cannot place a call");
  await viewer.goto("/organizations");
  await viewer.getByRole("cell").first().waitFor();
  check(
    (await viewer.getByRole("button", { name: /^What to do with/ }).count()) === 0,
    "a viewer cannot change the organization",
  );
  await viewer.goto("/users");
  await viewer.getByRole("alert").first().waitFor();
  check((await viewer.getByRole("cell").count()) === 0, "and is told so where a link leads to more");

  const other = await visitor(browser);
  await signIn(other, given.otherEmail, given.otherPassword);
  await other.goto("/users");
  await other
    .getByRole("cell", { name: new RegExp(given.otherEmail) })
    .first()
    .waitFor();
  const page = await other.content();
  check(!page.includes(VIEWER) && !page.includes(given.email), "another organization sees its own users alone");
  await other.goto("/audit-log");
  await other.getByRole("cell").first().waitFor();
  check((await other.getByRole("cell", { name: /^api_key/ }).count()) === 0, "and its own log");

  await signOut(viewer);
  check(true, "the viewer signs out");
});
