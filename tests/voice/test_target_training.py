"""The plan of a training towards one target: what it sets out from, how it is judged, what its voice says."""

import json
from pathlib import Path

import made_pool
import pytest
import torch
from made_pool import SPEC, TINY_MODEL, a_pool, a_target, a_voice

from voicegan.audio.mel import PRESETS
from voicegan.core import runs
from voicegan.core.system import Progress
from voicegan.errors import VoiceganError
from voicegan.voice import library, release
from voicegan.voice import target_training as t
from voicegan.voice.monitor import UTTERANCES
from voicegan.voice.pack import load_pack
from voicegan.voice.pool import Pool
from voicegan.voice.pool_batches import TargetAndPool
from voicegan.voice.teacher import Teacher
from voicegan.voice.training import Places

SMALL = {
    "model": TINY_MODEL,
    "trainer": {"steps": 2, "batch": 2, "device": "cpu", "precision": "fp32", "check_every": 2},
    "vocoder": "griffin-lim",
    "licences": ["made by a test"],
}


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(library, "_BUNDLED", tmp_path / "no bundled voices")


def settings(**changes):
    return t.resolve(SMALL | changes)


def material(pool=None):
    return t.TargetMaterial(a_target(), pool or a_pool(), (Path("pool"),))


def a_training(tmp_path, pool=None, begun=None, **changes):
    places = Places.of(("slt",), "any-to-one", tmp_path / "out")
    said = []
    run = t.TargetTraining(
        material(pool), settings(**changes), "slt", places, say=said.append, begun=begun or {}
    )
    run.said = said
    return run


def same_weights(one, other):
    buffers = {"scale", "offset", "harmonics"}
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in mine.items() if name not in buffers)


# The plan -------------------------------------------------------------------------------------------------------------


def test_what_is_not_said_comes_from_the_system():
    plain = t.resolve({})
    assert (plain.system, plain.start) == ("any-to-one", "auto")
    assert plain.trainer.steps == 12_000 and plain.trainer.check_every == 600
    assert plain.model["channels"] == 192 and plain.pool.held_out is None
    assert t.resolve(plain.model_dump(mode="json")) == plain


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": {"chanels": 3}}, "Did you mean 'model.channels'"),
        ({"pool": {"heldout": []}}, "Did you mean 'pool.held_out'"),
        ({"system": "light"}, "light makes two voices"),
        ({"system": "any-to-two"}, "Did you mean any-to-one"),
        ({"a": {}}, "unknown key 'a'"),
        ({"pool": {"held_out_speakers": 1.0}}, "pool.held_out_speakers"),
    ],
)
def test_mistakes_are_named(wrong, said):
    with pytest.raises(VoiceganError, match=said):
        t.resolve(wrong)


def test_same_seed_gives_the_same_weights():
    one, other, third = (t.make_system(settings(trainer={"seed": seed}), material()) for seed in (1, 1, 2))
    assert same_weights(one.g_ab.enter, other.g_ab.enter)
    assert not same_weights(one.g_ab.enter, third.g_ab.enter)


# Setting out ----------------------------------------------------------------------------------------------------------


def test_nothing_installed_is_setting_out_from_nothing(tmp_path):
    run = a_training(tmp_path)
    assert run.set_out_from is None and run.settings.start == "none"
    assert not any("sets out" in line for line in run.describe())


def test_the_nearest_voice_is_set_out_from(tmp_path):
    voices = tmp_path / "home" / "voices"
    a_voice(voices / "low", "low", pitch_hz=100.0)
    near = a_voice(voices / "near", "near", pitch_hz=185.0, tilt=0.1)
    a_voice(voices / "other", "other", pitch_hz=185.0, tilt=2.0)
    a_voice(voices / "wide", "wide", channels=16)  # nearer, but of another network
    a_voice(voices / "fast", "fast", mel=PRESETS["hifigan-22k"])  # and of another mel contract
    run = a_training(tmp_path)
    assert run.set_out_from == {"name": "near", "sha256": near.sha256}
    assert run.settings.start == str(near.folder)
    learnt, _ = near.build()
    for mine in (run.system.g_ab, run.system.best("g_ab")):
        assert same_weights(mine, learnt)
        # But not what that voice knows of its own target.
        torch.testing.assert_close(mine.harmonics, run.statistics.harmonics / run.statistics.target_std)
    assert any(line == f"sets out from the voice near ({near.folder})" for line in run.describe())


def test_none_and_a_name_are_heeded(tmp_path):
    a_voice(tmp_path / "home" / "voices" / "near", "near")
    far = a_voice(tmp_path / "far", "far", pitch_hz=90.0)
    assert a_training(tmp_path, start="none").set_out_from is None
    assert a_training(tmp_path, start="near").set_out_from["name"] == "near"
    assert a_training(tmp_path, start=str(far.folder)).set_out_from["name"] == "far"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": 16}, r"the voice odd has another network \(channels 16, not 8\)"),
        ({"reach": 0}, r"another network \(reach 0, not 2\)"),
        ({"mel": PRESETS["hifigan-22k"]}, "another mel contract"),
    ],
)
def test_a_voice_of_another_kind_is_refused(tmp_path, changes, said):
    a_voice(tmp_path / "odd", "odd", **changes)
    with pytest.raises(VoiceganError, match=said) as caught:
        a_training(tmp_path, start=str(tmp_path / "odd"))
    assert "--from none" in caught.value.hint and "\n" not in caught.value.message


def test_an_unknown_voice_is_refused_and_the_near_ones_listed(tmp_path):
    a_voice(tmp_path / "home" / "voices" / "near", "near")
    with pytest.raises(VoiceganError, match="neer"):
        a_training(tmp_path, start="neer")


def test_a_voice_that_sets_out_from_another_names_its_licences(tmp_path):
    place = tmp_path / "home" / "voices" / "near"
    told = json.loads((a_voice(place, "near").folder / "voice.json").read_text())
    (place / "voice.json").write_text(json.dumps(told | {"licences": ["theirs: CC BY 4.0"]}))
    run = a_training(tmp_path)
    run.save_plan()
    run.run(quiet=True)
    made = load_pack(tmp_path / "out" / "slt")
    assert made.licences == ("made by a test", "theirs: CC BY 4.0 (through the voice near)")
    assert "- theirs: CC BY 4.0 (through the voice near)" in made.card
    plan = runs.read_plan(tmp_path / "out" / "run")
    (place / "voice.json").write_text(json.dumps(told | {"licences": ["changed since"]}))
    again = a_training(tmp_path, begun=plan, start=str(place), licences=plan["settings"]["licences"])
    assert again.settings.licences == made.licences


def test_a_run_that_goes_on_knows_what_it_set_out_from(tmp_path):
    """By then the nearest voice is another, and so is what lies where that one was."""
    place = tmp_path / "home" / "voices" / "near"
    a_voice(place, "near")
    first = a_training(tmp_path)
    first.save_plan()
    plan = runs.read_plan(tmp_path / "out" / "run")
    assert plan["set_out_from"]["name"] == "near"
    first.run(quiet=True)
    a_voice(tmp_path / "home" / "voices" / "nearer", "nearer")
    a_voice(place, "newer", pitch_hz=150.0)
    again = a_training(tmp_path, begun=plan, start=plan["settings"]["start"])
    assert again.set_out_from == first.set_out_from and again.resume()
    assert again.plan() == {key: plan[key] for key in again.plan()}


def test_a_run_that_set_out_from_nothing_does_not_find_its_own_voice_when_it_goes_on(tmp_path):
    first = a_training(tmp_path)
    first.save_plan()
    plan = runs.read_plan(tmp_path / "out" / "run")
    a_voice(tmp_path / "home" / "voices" / "slt")
    # Before the first checkpoint as after it.
    for _ in range(2):
        again = a_training(tmp_path, begun=plan, start=plan["settings"]["start"])
        assert again.set_out_from is None
        again.run(quiet=True)


# Being taught ---------------------------------------------------------------------------------------------------------


def taught_material(teacher):
    target, pool = a_target(), a_pool()
    spoken = Teacher(teacher, SPEC)
    spoken.retrieve(target.utterances, 1.0)
    lessons = {u.key: spoken.convert(u) for speaker in pool.speakers for u in speaker.utterances}
    return t.TargetMaterial(target, pool, (Path("pool"),), spoken, lessons)


def a_taught_training(tmp_path, teacher, begun=None, **changes):
    places = Places.of(("slt",), "any-to-one", tmp_path / "out")
    said, wanted = [], settings(start="none", teacher=str(teacher.folder), **changes)
    run = t.TargetTraining(
        taught_material(teacher), wanted, "slt", places, say=said.append, begun=begun or {}
    )
    run.said = said
    return run


def test_what_the_teacher_makes_of_the_pool_is_learnt(tmp_path):
    teacher = a_voice(tmp_path / "teacher")
    run = a_taught_training(tmp_path, teacher)
    assert any("learns what the voice slt makes of the pool in one pass" in line for line in run.describe())
    run.save_plan()
    run.run(quiet=True)
    made = load_pack(tmp_path / "out" / "slt")
    taught_by = {"name": "slt", "sha256": teacher.sha256, "passes": 1, "retrieval": 1.0}
    assert made.training["taught_by"] == taught_by
    assert f"what the voice slt ({teacher.sha256[:12]}) makes of the pool in one pass, its" in made.card
    assert "nothing chose it" in made.card
    assert any('"g/taught"' in line for line in (tmp_path / "out/run/metrics.jsonl").read_text().splitlines())


def test_a_taught_voice_is_judged_by_how_near_strangers_come_to_the_lesson(tmp_path):
    teacher = a_voice(tmp_path / "teacher")
    run = a_taught_training(tmp_path, teacher)
    strangers = run.monitor.directions[0]
    assert strangers.paired and [u.name for u in strangers.targets] == [u.name for u in strangers.utterances]
    values = run.monitor.validate(run.system, Progress(0, 10), rehearsal=True)
    assert values["score_strangers"] == values["mcd_strangers"] > 0
    assert "score" not in values and values["distance"] == pytest.approx(
        (values["mcd_strangers"] + values["mcd_disguised"]) / 2
    )
    # Who says the lesson as it is has no distance left.
    assert strangers.judge([u.mel for u in strangers.targets])["mcd"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("taught", "release", "step"),
    [(True, "auto", 4), (True, "best", 2), (False, "auto", 2), (False, "newest", 4)],
)
def test_of_a_taught_voice_the_newest_state_counts_unless_told_otherwise(
    tmp_path, monkeypatch, taught, release, step
):
    changes = {"trainer": SMALL["trainer"] | {"steps": 4}, "release": release}
    if taught:
        run = a_taught_training(tmp_path, a_voice(tmp_path / "teacher"), **changes)
    else:
        run = a_training(tmp_path, **changes)
    figures = iter([1.0, 2.0])  # it seems to get worse
    validate = run.trainer.validate
    figure = "distance" if step == 4 else "score"
    monkeypatch.setattr(run.trainer, "validate", lambda *given: validate(*given) | {figure: next(figures)})
    run.run(quiet=True)
    pack = load_pack(tmp_path / "out" / "slt")
    assert pack.training["steps"] == step
    assert ("nothing chose it" in pack.card) == (step == 4)
    what = "half of both mcd" if taught else "half of mcd plus five dB times the strangers' drift"
    assert what in pack.card
    assert any("newest state becomes the voice" in line for line in run.describe()) == (step == 4)


def test_a_pupil_sets_out_from_its_teacher_unless_told_otherwise(tmp_path):
    a_voice(tmp_path / "home" / "voices" / "near", "near")
    teacher = a_voice(tmp_path / "teacher", pitch_hz=100.0)
    places = Places.of(("slt",), "any-to-one", tmp_path / "out")
    starts = {}
    for start in ("auto", "none", "near"):
        wanted = settings(start=start, teacher=str(teacher.folder))
        run = t.TargetTraining(taught_material(teacher), wanted, "slt", places, say=lambda line: None)
        starts[start] = run.set_out_from and run.set_out_from["name"]
    assert starts == {"auto": "slt", "none": None, "near": "near"}
    wide = settings(model=TINY_MODEL | {"channels": 16}, teacher=str(teacher.folder))
    run = t.TargetTraining(taught_material(teacher), wide, "slt", places, say=lambda line: None)
    assert run.set_out_from is None  # the teacher is of another network


def test_a_run_goes_on_only_with_the_teacher_that_it_began_with(tmp_path):
    teacher = a_voice(tmp_path / "teacher")
    first = a_taught_training(tmp_path, teacher)
    first.save_plan()
    plan = runs.read_plan(tmp_path / "out" / "run")
    assert plan["taught_by"] == {"name": "slt", "sha256": teacher.sha256}
    assert plan["settings"]["teacher"] == str(teacher.folder.absolute())
    first.run(quiet=True)
    assert a_taught_training(tmp_path, teacher, begun=plan).resume()
    other = a_voice(tmp_path / "teacher", name="newer")
    with pytest.raises(VoiceganError, match="is not the voice that this run began with"):
        a_taught_training(tmp_path, other, begun=plan)


def test_a_teacher_who_sounds_like_somebody_else_is_warned_of(tmp_path):
    same = a_taught_training(tmp_path / "same", a_voice(tmp_path / "slt"))
    assert not any("does not sound like" in line for line in same.said)
    for number, unlike in enumerate(({"pitch_hz": 110.0}, {"tilt": 1.0})):
        other = a_taught_training(tmp_path / f"{number}", a_voice(tmp_path / f"bdl{number}", "bdl", **unlike))
        assert any("the voice bdl does not sound like slt" in line for line in other.said)


def test_a_teacher_needs_a_pool(tmp_path):
    teacher = a_voice(tmp_path / "teacher")
    with pytest.raises(VoiceganError, match="a teacher needs a pool"):
        t.gather(tmp_path, [], settings(teacher=str(teacher.folder)))


# Judging --------------------------------------------------------------------------------------------------------------


def test_strangers_words_and_the_way_to_the_target_are_judged(tmp_path):
    run = a_training(tmp_path)
    strangers, disguised = run.monitor.directions
    assert [u.name for u in strangers.utterances] == [
        "s900",
        "s004",
    ]  # the stranger's, and bdl's held-out one
    assert disguised.utterances == disguised.targets == run.material.target.held_out
    values = run.monitor.validate(run.system, Progress(0, 10))
    assert {"drift_strangers", "score_strangers", "mcd_disguised", "change_disguised", "score"} <= set(values)
    assert values["change_strangers"] == pytest.approx(0.0, abs=1e-5)
    assert values["score_strangers"] == pytest.approx(t.WORDS_DB * values["drift_strangers"])
    assert values["score"] == pytest.approx((values["score_strangers"] + values["score_disguised"]) / 2)
    assert values["score"] == pytest.approx(run.monitor.untrained, rel=1e-4)
    drawn = {path.name for path in (tmp_path / "out" / "run" / "samples").iterdir()}
    assert drawn == {"to-slt-strangers-0000000.png", "to-slt-disguised-0000000.png"}


def test_held_out_readings_are_compared_with_the_targets_own(tmp_path):
    pool = a_pool()
    pool.speakers[-1].held_out[:] = [made_pool.a_reading(k, 115.0) for k in (6, 7)]
    same = pool.pairs[2].pairs[0].index_ab
    pool.pairs[2].held_out.append(made_pool.Pair(1, 1, same, same, 0.0))
    _, readers = a_training(tmp_path, pool).monitor.directions
    assert (readers.label, readers.paired) == ("readers", True)
    assert [u.name for u in readers.utterances] == [u.name for u in readers.targets] == ["s007"]


def test_a_network_that_adds_nothing_is_warned_of_and_one_that_babbles(tmp_path):
    run = a_training(tmp_path)
    run.monitor.validate(run.system, Progress(5, 10))
    assert any("hardly changes its input" in line for line in run.said)
    assert not any("diverging" in line for line in run.said)
    with torch.no_grad():
        run.system.best("g_ab").leave.bias.uniform_(-9, 9)
    changed = run.monitor.validate(run.system, Progress(6, 10))
    assert changed["change_strangers"] > 1 and changed["score"] > run.monitor.untrained
    assert any("diverging" in line for line in run.said)


def test_no_more_is_judged_than_a_check_has_time_for():
    pool = Pool([], [made_pool.a_speaker(f"x{k}", [k]) for k in range(UTTERANCES + 5)], {})
    system = t.make_system(settings(), material())
    known = TargetAndPool(a_target(), a_pool(), 32, system.disguise)
    strangers, _ = t.directions(material(pool), known, system, "slt")
    assert len(strangers.utterances) == len(strangers.sources) == UTTERANCES


def test_where_nothing_is_kept_aside_those_who_train_are_judged(tmp_path):
    pool = Pool([made_pool.a_speaker("x", [1, 2]), made_pool.a_speaker("y", [3])], [], {})
    strangers, _ = a_training(tmp_path, pool).monitor.directions
    assert [u.name for u in strangers.utterances] == ["s001", "s003"]


def test_without_a_pool_a_voice_is_needed_and_tells_of_the_sources(tmp_path):
    nobody = Pool([], [], {})
    with pytest.raises(VoiceganError, match="neither a pool of other speakers nor a voice to set out from"):
        a_training(tmp_path, nobody)
    near = a_voice(tmp_path / "home" / "voices" / "near", "near")
    run = a_training(tmp_path, nobody)
    _, known = near.build()
    assert torch.equal(run.statistics.source_mean, known["source.mean"])
    assert "no pool: the target's own speech trains, in disguise" in run.describe()
    assert not hasattr(run.system, "content"), "there is nobody whose words it would keep"
    run.run(quiet=True)
    assert load_pack(tmp_path / "out" / "slt").training["set_out_from"]["name"] == "near"


# Running --------------------------------------------------------------------------------------------------------------


def test_minutes_become_steps_and_leave_no_trace(tmp_path):
    run = a_training(tmp_path, trainer=SMALL["trainer"] | {"steps": 40_000, "check_every": 1000})
    before = {name: value.clone() for name, value in run.system.state_dict().items()}
    steps = run.choose_steps(0.05)
    assert steps == run.settings.trainer.steps == run.trainer.config.steps != 40_000
    assert "0.05 minutes are" in run.said[-1]
    assert not run.monitor.scores and run.trainer.step == 0
    for name, value in run.system.state_dict().items():
        assert torch.equal(value, before[name]), name
    run.save_plan()
    assert runs.read_plan(tmp_path / "out" / "run")["settings"]["trainer"]["steps"] == steps


def test_the_voice_says_where_it_is_from(tmp_path):
    near = a_voice(tmp_path / "home" / "voices" / "near", "near")
    run = a_training(tmp_path)
    run.run(quiet=True)
    pack = load_pack(tmp_path / "out" / "slt")
    assert (pack.name, pack.sources, pack.normaliser) == ("slt", ("any",), "envelope")
    assert pack.training["set_out_from"] == {"name": "near", "sha256": near.sha256}
    assert pack.training["parallel_pairs"] == 4
    assert pack.training["pool"] == {"speakers": 3, "minutes": 0.2, "speakers_held_out": 1}
    assert pack.training["data"] == {"slt": {"utterances": 6, "minutes": 0.1, "held_out": 2, "refused": 0}}
    for fact in ("slt, from anyone", "pool: 3 speakers", "4 readings of the target's", "made by a test",
                 f"set out from the voice near ({near.sha256[:12]})", "- score: "):  # fmt: skip
        assert fact in pack.card, fact
    generator, statistics = pack.build()
    s = run.statistics
    for name, wanted in (("source.mean", s.source_mean), ("source.std", s.source_std),
                         ("target.mean", s.target_mean), ("target.std", s.target_std)):  # fmt: skip
        assert torch.equal(statistics[name], wanted), name
    assert float(statistics["target.pitch"]) == pytest.approx(s.target_log_f0)
    picture = torch.from_numpy(run.monitor.directions[0].sources[0])[None]
    with torch.no_grad():
        made, trained = generator(picture), run.system.best("g_ab").eval()(picture)
    torch.testing.assert_close(made, trained, atol=0.02, rtol=0)  # stored in half precision


def test_a_target_may_be_called_pool(tmp_path):
    run = a_training(tmp_path)
    release.save_target_voice(
        tmp_path / "pool", system=run.system, material=run.material, statistics=run.statistics,
        settings=run.settings, name="pool", set_out_from=None, taught_by=None, facts=run.facts({"score": 1.0}),
    )  # fmt: skip
    pack = load_pack(tmp_path / "pool")
    assert pack.training["data"]["pool"]["utterances"] == 6 and "set_out_from" not in pack.training
    assert "It set out" not in pack.card


def test_a_run_describes_itself(tmp_path):
    lines = a_training(tmp_path).describe()
    assert lines[0].startswith("slt: 6 utterances, 0.1 min to train on; 2 held out")
    assert "pool: 3 speakers, 0.2 min to train on; 1 speakers held out" in lines
    assert "bdl of the pool read the target's sentences: 4 aligned pairs help" in lines
    alone = a_training(tmp_path, a_pool(reads=False)).describe()
    assert "nobody in the pool reads the target's sentences" in alone


def test_a_small_pool_is_warned_of_unless_it_reads_the_targets_sentences(tmp_path, monkeypatch):
    def warned(pool=None):
        return [line for line in a_training(tmp_path, pool).describe() if line.startswith("warning")]

    (line,) = warned()
    assert "(2 besides readers of the target's sentences; each folder is one speaker)" in line
    with monkeypatch.context() as patched:
        patched.setattr(t, "_FEW", 2)
        assert not warned()
    pool = a_pool()
    (reader,) = pool.pairs
    assert not warned(Pool([pool.speakers[reader]], [], {0: pool.pairs[reader]}))  # made for one source


def test_fingerprints_tell_another_target_from_another_pool(tmp_path):
    plain = a_training(tmp_path).fingerprints
    pool = a_pool()
    fewer = a_training(tmp_path, Pool(pool.speakers, [], pool.pairs)).fingerprints
    assert plain[0] == fewer[0] and plain[1] != fewer[1]
    assert plain == a_training(tmp_path).fingerprints
