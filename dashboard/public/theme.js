// Before anything is drawn: dark or light as was chosen here, else as the system has it.
try {
  const chosen = localStorage.getItem("offhook-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is off: the system decides.
}
