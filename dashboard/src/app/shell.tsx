// The frame around every page: where one can go, who one is, and the page itself.
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { BookOpen, ChevronsUpDown, LogOut, Menu, Monitor, Moon, Sun, UserRound } from "lucide-react";
import { Dialog, DropdownMenu } from "radix-ui";
import { Suspense, useEffect, useRef, useState } from "react";
import { useServed } from "~/api/served";
import { session } from "~/api/session";
import { Button, Loading } from "~/ui/basics";
import { Toasts } from "~/ui/toast";
import { useLive } from "./live";
import { useMe } from "./me";
import { NAVIGATION, visible } from "./navigation";
import { type Theme, useTheme } from "./theme";

export function Shell() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const [open, setOpen] = useState(false);
  const first = useRef(true);
  useLive();

  // biome-ignore lint/correctness/useExhaustiveDependencies: on each new page
  useEffect(() => {
    setOpen(false);
    // A new page is read from its beginning; the first one keeps the browser's own focus.
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);

  return (
    <div className="shell">
      <a className="button skip" href="#main">
        Skip to the page
      </a>
      <Side />
      <header className="bar">
        <Dialog.Root open={open} onOpenChange={setOpen}>
          <Dialog.Trigger asChild>
            <Button look="quiet" icon={Menu} aria-label="Navigation" />
          </Dialog.Trigger>
          <Dialog.Portal>
            <Dialog.Overlay className="veil" />
            <Dialog.Content className="drawer" aria-describedby={undefined}>
              <Dialog.Title className="visually-hidden">Navigation</Dialog.Title>
              <Side />
            </Dialog.Content>
          </Dialog.Portal>
        </Dialog.Root>
        <Brand />
      </header>
      <main className="main" id="main" ref={main} tabIndex={-1}>
        <Suspense fallback={<Loading lines={8} />}>
          <Outlet />
        </Suspense>
      </main>
      <Toasts />
    </div>
  );
}

export function Brand() {
  return (
    <Link to="/" className="brand">
      <img src="/favicon.svg" alt="" width={24} height={24} />
      Offhook
    </Link>
  );
}

function Side() {
  const me = useMe();
  const served = useServed();
  return (
    <div className="side">
      <Brand />
      <nav aria-label="Pages">
        {visible(NAVIGATION, me.permissions, served).map((group) => (
          <div className="group" key={group.title}>
            <h2>{group.title}</h2>
            <ul>
              {group.places.map(({ to, title, icon: Icon }) => (
                <li key={to}>
                  <Link to={to} activeOptions={{ exact: to === "/" }}>
                    <Icon size={16} aria-hidden />
                    {title}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <div className="foot">
        <Account />
      </div>
    </div>
  );
}

const THEMES: [Theme, string, typeof Sun][] = [
  ["system", "As the system has it", Monitor],
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
];

function Account() {
  const me = useMe();
  const [theme, choose] = useTheme();
  const name = me.user?.name || me.user?.email || words(me.kind);
  const initials = name
    .split(/[\s@.]+/)
    .slice(0, 2)
    .map((word) => word.charAt(0).toUpperCase())
    .join("");
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="account">
        <span className="portrait" aria-hidden>
          {initials}
        </span>
        <span className="who">
          <span>
            <span className="visually-hidden">Account of </span>
            {name}
          </span>
          <span className="muted small">{me.role}</span>
        </span>
        <ChevronsUpDown size={15} aria-hidden />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" side="top" sideOffset={6}>
          <div className="who">
            <div className="small muted">Signed in as</div>
            {me.user?.email ?? name}
          </div>
          <DropdownMenu.Separator asChild>
            <hr />
          </DropdownMenu.Separator>
          <DropdownMenu.Item asChild>
            <Link to="/account">
              <UserRound size={15} aria-hidden />
              Your account
            </Link>
          </DropdownMenu.Item>
          <DropdownMenu.Item asChild>
            <a href="/docs" target="_blank" rel="noreferrer">
              <BookOpen size={15} aria-hidden />
              REST API
            </a>
          </DropdownMenu.Item>
          <DropdownMenu.Separator asChild>
            <hr />
          </DropdownMenu.Separator>
          <DropdownMenu.RadioGroup value={theme} onValueChange={(value) => choose(value as Theme)}>
            {THEMES.map(([value, label, Icon]) => (
              <DropdownMenu.RadioItem key={value} value={value}>
                <Icon size={15} aria-hidden />
                {label}
                <DropdownMenu.ItemIndicator>·</DropdownMenu.ItemIndicator>
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Separator asChild>
            <hr />
          </DropdownMenu.Separator>
          <SignOut />
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function SignOut() {
  const queries = useQueryClient();
  const leave = async () => {
    await session.signOut().catch(() => undefined);
    queries.clear();
  };
  return (
    <DropdownMenu.Item onSelect={() => void leave()}>
      <LogOut size={15} aria-hidden />
      Sign out
    </DropdownMenu.Item>
  );
}

function words(kind: string): string {
  return kind === "key" ? "An API key" : kind === "node" ? "The node" : "You";
}
