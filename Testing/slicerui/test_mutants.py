"""The panel's tests notice what is wrong: each broken copy of the module fails the test that is named for it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.fixtures import skip_without_needed
from harness.mutants import MUTANTS, break_module, run_tests

FAILED = 1  # pytest's exit code: tests were run and some failed
AT_ONCE = 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Function: what came of the tests named for a mutant (None: all of them, on a copy without a mistake)."""
    skip_without_needed()

    def run(mutant):
        copy = break_module(mutant, tmp_path_factory.mktemp("copy"))
        return run_tests(copy, [mutant.test] if mutant else sorted({mutant.test for mutant in MUTANTS}))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = {mutant: pool.submit(run, mutant) for mutant in (None, *MUTANTS)}
        yield lambda mutant: started[mutant].result()


def test_the_tests_pass_on_a_copy_without_a_mistake(runs):
    assert runs(None).returncode == 0, runs(None).stdout


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.mistake for mutant in MUTANTS])
def test_a_mistake_is_caught(runs, mutant):
    result = runs(mutant)
    assert result.returncode == FAILED, f"{mutant.test} did not fail:\n{result.stdout}\n{result.stderr}"
