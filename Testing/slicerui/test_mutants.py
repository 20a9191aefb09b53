"""The panel's tests notice what is wrong: each broken copy of the module fails the test that is named for it."""

import re
from subprocess import CompletedProcess

import pytest
from harness.fixtures import skip_without_needed
from harness.mutants import MUTANTS, break_module, run_tests

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict:
    """What came of the test named for each mutant; for None: of one test of each file, without a mistake."""
    skip_without_needed()
    one_of_each_file = {mutant.test.split("::")[0]: mutant.test for mutant in reversed(MUTANTS)}
    wanted = {None: sorted(one_of_each_file.values())} | {mutant: [mutant.test] for mutant in MUTANTS}
    copies = [break_module(mutant, tmp_path_factory.mktemp("copy")) for mutant in wanted]
    return dict(zip(wanted, run_tests(list(zip(copies, wanted.values(), strict=True))), strict=True))


def test_the_tests_pass_on_a_copy_without_a_mistake(results):
    assert results[None].returncode == 0, results[None].stdout


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.mistake for mutant in MUTANTS])
def test_a_mistake_is_caught(results, mutant):
    result = results[mutant]
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
