"""The figures that an evaluation gives for each utterance, and their means and worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .speaker import ACCEPT_THRESHOLDS
from .words import Errors


@dataclass(frozen=True)
class Figure:
    """One column of the result: its key, its title, its decimals, and which end of it is the good one."""

    key: str
    title: str
    good: Literal["high", "low", "one"]
    digits: int = 2
    in_table: bool = True

    def badness(self, value: float) -> float:
        """The greater, the worse."""
        return {"high": -value, "low": value, "one": abs(value - 1.0)}[self.good]


FIGURES = (
    Figure("cosine_target", "cosine to the target", "high", 3),
    Figure("cosine_source", "cosine to the source", "low", 3),
    Figure("cosine_source_utterance", "cosine to the source recording itself", "low", 3, in_table=False),
    Figure("cer", "CER", "low"),
    Figure("wer", "WER", "low"),
    Figure("dnsmos_ovrl", "DNSMOS overall", "high"),
    Figure("dnsmos_sig", "DNSMOS speech", "high", in_table=False),
    Figure("dnsmos_bak", "DNSMOS background", "high", in_table=False),
    Figure("dnsmos_p808", "DNSMOS P.808", "high"),
    Figure("mcd_db", "MCD, dB", "low"),
    Figure("mcd_s3prl_db", "MCD as s3prl, dB", "low"),
    Figure("f0_correlation", "F0 correlation", "high"),
    Figure("f0_rmse_hz", "F0 RMSE, Hz", "low", 1),
    Figure("f0_rmse_semitones", "F0 RMSE, semitones", "low"),
    Figure("f0_source_correlation", "F0 correlation with the source", "high"),
    Figure("duration_ratio", "duration / target's", "one"),
)

COPY_FIGURES = (
    Figure("pesq_wb", "PESQ-WB", "high"),
    Figure("stoi", "STOI", "high", 3),
    Figure("dnsmos_ovrl", "DNSMOS overall", "high"),
    Figure("dnsmos_ovrl_loss", "lost", "low"),
    Figure("dnsmos_p808", "DNSMOS P.808", "high"),
    Figure("dnsmos_p808_loss", "lost (P.808)", "low"),
    Figure("dnsmos_sig", "DNSMOS speech", "high", in_table=False),
    Figure("dnsmos_bak", "DNSMOS background", "high", in_table=False),
    Figure("mr_stft", "MR-STFT", "low"),
    Figure("mel_l1", "log-mel L1", "low", 3),
)

Utterance = Mapping[str, Any]


def summarise(utterances: Sequence[Utterance], figures: Sequence[Figure] = FIGURES) -> dict[str, Any]:
    """Mean and worst of every figure over utterances (each a dict with ``name``, ``speaker`` and figures).

    Besides: ``share_above_source`` (utterances nearer to the target's voice than to the source's),
    ``accept_rate`` at each threshold, ``cer_pooled`` and ``wer_pooled`` (all edits by all characters or
    words), and, where there are several speakers, each one's means under ``speakers`` and the name of the worst of
    them for each figure under ``worst_speakers``.
    """
    summary: dict[str, Any] = {"utterances": len(utterances)}
    summary |= {figure.key: entry for figure in figures if (entry := _spread(figure, utterances))}
    summary |= _shares(utterances)
    if errors := [Errors(*utterance["edits"]) for utterance in utterances if utterance.get("edits")]:
        total = sum(errors[1:], errors[0])
        summary |= {"cer_pooled": round(total.cer, 4), "wer_pooled": round(total.wer, 4)}
    speakers = sorted({utterance["speaker"] for utterance in utterances})
    if len(speakers) > 1:
        summary["speakers"] = {
            speaker: {
                figure.key: entry["mean"]
                for figure in figures
                if (entry := _spread(figure, [one for one in utterances if one["speaker"] == speaker]))
            }
            for speaker in speakers
        }
        summary["worst_speakers"] = {
            figure.key: name for figure in figures if (name := _worst_speaker(figure, summary["speakers"]))
        }
    return summary


def _spread(figure: Figure, utterances: Sequence[Utterance]) -> dict[str, Any] | None:
    known = [(one[figure.key], one["name"]) for one in utterances if one.get(figure.key) is not None]
    if not known:
        return None
    worst, name = max(known, key=lambda pair: figure.badness(pair[0]))
    mean = sum(value for value, _ in known) / len(known)
    return {"mean": round(mean, 4), "worst": round(worst, 4), "worst_file": name, "count": len(known)}


def _worst_speaker(figure: Figure, speakers: Mapping[str, Mapping[str, float]]) -> str | None:
    known = {name: means[figure.key] for name, means in speakers.items() if figure.key in means}
    return max(known, key=lambda name: figure.badness(known[name])) if known else None


def _shares(utterances: Sequence[Utterance]) -> dict[str, Any]:
    judged = [one for one in utterances if one.get("cosine_target") is not None]
    if not judged:
        return {}
    accepted = {
        str(threshold): round(sum(one["cosine_target"] >= threshold for one in judged) / len(judged), 4)
        for threshold in ACCEPT_THRESHOLDS
    }
    shares: dict[str, Any] = {"accept_rate": accepted}
    both = [one for one in judged if one.get("cosine_source") is not None]
    if both:
        above = sum(one["cosine_target"] > one["cosine_source"] for one in both)
        shares["share_above_source"] = round(above / len(both), 4)
    return shares
