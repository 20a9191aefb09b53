"""The looks of the report: one style sheet, light and dark, no fonts or files from elsewhere."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d242c; --soft: #5a6672; --page: #f5f7f9; --card: #fff; --line: #dde3e9;
  --accent: #2563c9; --warn: #8a5200; --warn-card: #fff6e5; --warn-line: #e8b458; --good: #17663b; --good-card: #e7f5ec;
  --bad: #a3121c; --bad-card: #fdeaea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #9aa6b2; --page: #12161b; --card: #1b2128;
  --line: #2f3842; --accent: #79aef5; --warn: #f3c26b; --warn-card: #2b2416; --warn-line: #80622a; --good: #7bd39b;
  --good-card: #16291e; --bad: #ff9a9a; --bad-card: #331a1c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 2rem 1.25rem 3rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 0 0 .5rem; font-size: 1rem; }
p { margin: .4rem 0; }
.soft, figcaption, .note { color: var(--soft); font-size: .9rem; }
.use { margin: 1rem 0; padding: .7rem 1rem; border-left: 4px solid var(--accent); background: var(--card); }
.warnings { margin: 1rem 0; padding: .7rem 1rem; border: 1px solid var(--warn-line); border-left-width: 4px;
  background: var(--warn-card); color: var(--warn); }
.warnings h2 { margin: 0; font-size: 1rem; }
.warnings ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.cards { display: grid; gap: .75rem; grid-template-columns: repeat(6, minmax(0, 1fr)); margin-top: 1.25rem; }
.card { padding: .8rem .9rem; border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
.card strong { display: block; font-size: 1.05rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.verdict { display: inline-block; padding: 0 .5rem; border: 1px solid currentColor; border-radius: 999px;
  font-size: .8rem; font-weight: 600; line-height: 1.45; white-space: nowrap; }
.verdict.good { color: var(--good); background: var(--good-card); }
.verdict.doubt { color: var(--warn); background: var(--warn-card); }
.verdict.bad { color: var(--bad); background: var(--bad-card); }
.card .verdict, td .verdict { display: block; width: max-content; margin-top: .3rem; }
.reasons { margin: .5rem 0 0; padding: 0; list-style: none; }
.reasons li { padding: .45rem 0; border-top: 1px solid var(--line); }
.row { margin: 0 0 1rem; padding: .8rem 1rem 1rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); }
.panels { display: grid; gap: .5rem; grid-template-columns: repeat(4, minmax(0, 1fr)); }
figure { margin: 0; }
.panels img { display: block; width: 100%; background: #000; border-radius: 4px; image-rendering: auto; }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
.plots .row { margin: 0; }
.plots img { display: block; width: 100%; }
.bar { display: grid; grid-template-columns: 1fr 1fr; font-variant-numeric: tabular-nums; }
.bar div { grid-column: 1 / -1; height: .8rem; border: 1px solid var(--line); border-radius: 3px; }
.bar span:last-child { text-align: right; }
figcaption { margin-top: .3rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { padding: .5rem .8rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.meaning { min-width: 18rem; color: var(--soft); }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; white-space: nowrap; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1.2rem; margin: 0; }
dt { font-weight: 600; }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dd dl { grid-template-columns: minmax(6rem, max-content) 1fr; }
dd ul { margin: 0; padding-left: 1.1rem; }
dd li + li { margin-top: .5rem; }
details { margin-top: 1rem; }
summary { cursor: pointer; font-weight: 600; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
@media (max-width: 1100px) { .cards { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media (max-width: 640px) { .cards, .panels { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  dl, dd dl { grid-template-columns: 1fr; } dd { padding-left: .8rem; }
  td.meaning { min-width: 14rem; } tbody th { white-space: normal; } }
@media print { @page { size: A4; margin: 14mm; }
  :root { color-scheme: light; --ink: #1d242c; --soft: #5a6672; --page: #fff; --card: #fff; --line: #dde3e9;
    --accent: #2563c9; --warn: #8a5200; --warn-card: #fff6e5; --warn-line: #e8b458; --good: #17663b;
    --good-card: #e7f5ec; --bad: #a3121c; --bad-card: #fdeaea; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html { font-size: 11px; } body { max-width: none; padding: 0; font-size: 1rem; }
  h2, h3 { break-after: avoid; } h2 { margin-top: 1.5rem; }
  .panels { grid-template-columns: repeat(4, minmax(0, 1fr)); } .plots { grid-template-columns: 1fr 1fr; }
  figure, img, .card, .picture, .reasons li, tr { break-inside: avoid; }
  .scroll { overflow: visible; } th, td { padding: .35rem .6rem; } td.meaning { min-width: 0; } }
"""
