"""The panel's tests notice what is wrong: each broken copy of the module fails the test that is named for it."""

import re
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

import pytest
from harness.fixtures import skip_without_needed
from harness.mutants import MUTANTS, break_module, run_tests

AT_ONCE = 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Function: what came of the test named for a mutant (None: one test of each file, on a copy without a mistake)."""
    skip_without_needed()
    one_of_each_file = {mutant.test.split("::")[0]: mutant.test for mutant in reversed(MUTANTS)}

    def run(mutant):
        copy = break_module(mutant, tmp_path_factory.mktemp("copy"))
        return run_tests(copy, [mutant.test] if mutant else sorted(one_of_each_file.values()))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = {mutant: pool.submit(run, mutant) for mutant in (None, *MUTANTS)}
        yield lambda mutant: started[mutant].result()


def test_the_tests_pass_on_a_copy_without_a_mistake(runs):
    assert runs(None).returncode == 0, runs(None).stdout


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.mistake for mutant in MUTANTS])
def test_a_mistake_is_caught(runs, mutant):
    result = runs(mutant)
    assert has_failed(result), f"{mutant.test} did not fail:\n{result.stdout}"


@pytest.mark.parametrize("summary, failed", [("1 error in 2s", False), ("1 failed, 1 error in 2s", True)])
def test_an_error_before_the_test_is_no_catch(summary, failed):
    assert has_failed(CompletedProcess([], 1, stdout=f"E\n{summary}\n")) is failed


def has_failed(result) -> bool:
    """Whether the body of a test failed; pytest gives the same exit code where only its fixtures did.

    An error may come with it: what the test left behind, or what was logged, as `app` finds at its end.
    """
    lines = result.stdout.strip().splitlines() or [""]
    return result.returncode == 1 and re.search(r"\b\d+ failed\b", lines[-1]) is not None
