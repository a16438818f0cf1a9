// Sets the chosen theme before the first paint; its own file because the content security policy refuses inline scripts.
try {
  const theme = localStorage.getItem("gateless.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme is then used.
}
