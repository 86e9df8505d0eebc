"""axe-core in a page: what it finds against the rules of accessible pages.

axe.min.js comes with a pinned package of tests/requirements.txt; the package itself, which wants
another driver, is never imported.
"""
import importlib.util
import pathlib


def script():
    """The text of axe.min.js, None where the package is missing."""
    found = importlib.util.find_spec("axe_playwright_python")
    for folder in (found.submodule_search_locations or []) if found else []:
        file = pathlib.Path(folder) / "axe.min.js"
        if file.exists():
            return file.read_text()
    return None


def violations(page, source):
    """One line for each violation: rule, what is wrong, where."""
    if not page.script("return Boolean(window.axe)"):
        page.driver.execute_script(source)
    found = page.driver.execute_async_script("""
        const done = arguments[arguments.length - 1];
        window.axe.run(document, { resultTypes: ['violations'] })
          .then(({ violations }) => done(violations.flatMap(({ id, nodes }) =>
            nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`))))
          .catch((error) => done([String(error)]));""")
    return found
