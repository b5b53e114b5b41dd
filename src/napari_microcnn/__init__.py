"""Teach a small neural network your micrographs: grains, phases and particles as calibrated masks.

The names below are imported when they are first used, so that ``import napari_microcnn`` is
immediate and loads neither torch nor napari.

Examples
--------
>>> import napari_microcnn as mc
>>> mc.Calibration.parse("0.25 um").pixel_size
(0.25, 0.25)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; the dictionary below is what counts when running
    from napari_microcnn.batch import Batch as Batch
    from napari_microcnn.batch import segment_files as segment_files
    from napari_microcnn.batch import sureness_of_image as sureness_of_image
    from napari_microcnn.batch import write_segmentation as write_segmentation
    from napari_microcnn.config import ClassifierConfig as ClassifierConfig
    from napari_microcnn.config import ClassifierTrainConfig as ClassifierTrainConfig
    from napari_microcnn.config import ClassifyConfig as ClassifyConfig
    from napari_microcnn.config import ClassInfo as ClassInfo
    from napari_microcnn.config import ExplainConfig as ExplainConfig
    from napari_microcnn.config import GrainSizeConfig as GrainSizeConfig
    from napari_microcnn.config import LabConfig as LabConfig
    from napari_microcnn.config import SegmentConfig as SegmentConfig
    from napari_microcnn.config import TrainConfig as TrainConfig
    from napari_microcnn.config.adapting import AdaptConfig as AdaptConfig
    from napari_microcnn.data.annotations import Annotated as Annotated
    from napari_microcnn.data.databar import find_overlays as find_overlays
    from napari_microcnn.data.files import read_annotated as read_annotated
    from napari_microcnn.data.gathering import collect as collect
    from napari_microcnn.data.pictures import make_ising as make_ising
    from napari_microcnn.data.pictures import make_nanoparticles as make_nanoparticles
    from napari_microcnn.data.pictures import make_pictures as make_pictures
    from napari_microcnn.data.pictures import make_steel as make_steel
    from napari_microcnn.events import result_of as result_of
    from napari_microcnn.explain.activations import activation_map as activation_map
    from napari_microcnn.explain.activations import filters as filters
    from napari_microcnn.explain.excite import excite as excite
    from napari_microcnn.explain.explanation import Explanation as Explanation
    from napari_microcnn.explain.explanation import explain_class as explain_class
    from napari_microcnn.explain.explanation import sanity_of as sanity_of
    from napari_microcnn.explain.gradcam import grad_cam as grad_cam
    from napari_microcnn.explain.kernels import convolve as convolve
    from napari_microcnn.explain.kernels import kernel as kernel
    from napari_microcnn.explain.kernels import pool as pool
    from napari_microcnn.explain.receptive import field_of_view as field_of_view
    from napari_microcnn.explain.receptive import field_warnings as field_warnings
    from napari_microcnn.explain.sight import Sight as Sight
    from napari_microcnn.explain.target import Target as Target
    from napari_microcnn.explain.translation import translation_test as translation_test
    from napari_microcnn.explain.trust import heat_outside as heat_outside
    from napari_microcnn.io.export import export_segmentation as export_segmentation
    from napari_microcnn.io.foreign_masks import read_foreign_labels as read_foreign_labels
    from napari_microcnn.io.outlines import write_outlines as write_outlines
    from napari_microcnn.io.page import sample_page as sample_page
    from napari_microcnn.io.pairs import pair_files as pair_files
    from napari_microcnn.io.pdf import sample_pdf as sample_pdf
    from napari_microcnn.io.read import read_micrograph as read_micrograph
    from napari_microcnn.io.samples import nanoporous as nanoporous
    from napari_microcnn.measure.editing import count_objects as count_objects
    from napari_microcnn.measure.editing import delete_objects as delete_objects
    from napari_microcnn.measure.editing import merge_objects as merge_objects
    from napari_microcnn.measure.editing import select_objects as select_objects
    from napari_microcnn.measure.feedback import annotation_of_objects as annotation_of_objects
    from napari_microcnn.measure.grain_size import GrainSize as GrainSize
    from napari_microcnn.measure.grain_size import grain_size as grain_size
    from napari_microcnn.measure.objects import measure_objects as measure_objects
    from napari_microcnn.measure.particles import particle_statistics as particle_statistics
    from napari_microcnn.measure.phase_statistics import phase_statistics as phase_statistics
    from napari_microcnn.measure.regions import remove_regions as remove_regions
    from napari_microcnn.measure.segments import find_segments as find_segments
    from napari_microcnn.measure.shapes import measure_shapes as measure_shapes
    from napari_microcnn.measure.twins import with_twins as with_twins
    from napari_microcnn.measure.twins import without_twin_boundaries as without_twin_boundaries
    from napari_microcnn.micrograph import Calibration as Calibration
    from napari_microcnn.micrograph import Micrograph as Micrograph
    from napari_microcnn.models import Classifier as Classifier
    from napari_microcnn.models import Model as Model
    from napari_microcnn.models import load_classifier as load_classifier
    from napari_microcnn.models import load_model as load_model
    from napari_microcnn.models import open_model as open_model
    from napari_microcnn.models import save_classifier as save_classifier
    from napari_microcnn.models import save_model as save_model
    from napari_microcnn.models.onnx_file import export_onnx as export_onnx
    from napari_microcnn.models.onnx_file import import_onnx as import_onnx
    from napari_microcnn.models.shipped import shipped_models as shipped_models
    from napari_microcnn.models.zoo import export_zoo as export_zoo
    from napari_microcnn.models.zoo import import_zoo as import_zoo
    from napari_microcnn.nets import build_classifier as build_classifier
    from napari_microcnn.nets import layers as layers
    from napari_microcnn.nets import receptive_fields as receptive_fields
    from napari_microcnn.predict.classify import classify as classify
    from napari_microcnn.predict.gap import domain_gap as domain_gap
    from napari_microcnn.predict.judging import evaluate as evaluate
    from napari_microcnn.predict.large import LargeSegmentation as LargeSegmentation
    from napari_microcnn.predict.large import segment_large as segment_large
    from napari_microcnn.predict.resemblance import look_like as look_like
    from napari_microcnn.predict.resemblance import measure_look as measure_look
    from napari_microcnn.predict.segment import Segmentation as Segmentation
    from napari_microcnn.predict.segment import segment as segment
    from napari_microcnn.predict.uncertainty import where_to_annotate as where_to_annotate
    from napari_microcnn.synth import ising as ising
    from napari_microcnn.synth import nanoparticles as nanoparticles
    from napari_microcnn.synth import polycrystal as polycrystal
    from napari_microcnn.synth import steel as steel
    from napari_microcnn.train.adapting import adapt as adapt
    from napari_microcnn.train.classifier import train_classifier as train_classifier
    from napari_microcnn.train.cross_validation import cross_validate as cross_validate
    from napari_microcnn.train.segmenter import train_segmenter as train_segmenter

_HOME = {
    "Calibration": "micrograph",
    "Micrograph": "micrograph",
    "ClassInfo": "config",
    "SegmentConfig": "config",
    "TrainConfig": "config",
    "result_of": "events",
    "read_micrograph": "io.read",
    "find_overlays": "data.databar",
    "read_annotated": "data.files",
    "pair_files": "io.pairs",
    "make_ising": "data.pictures",
    "make_nanoparticles": "data.pictures",
    "make_pictures": "data.pictures",
    "make_steel": "data.pictures",
    "export_segmentation": "io.export",
    "read_foreign_labels": "io.foreign_masks",
    "write_outlines": "io.outlines",
    "sample_page": "io.page",
    "sample_pdf": "io.pdf",
    "nanoporous": "io.samples",
    "ising": "synth",
    "nanoparticles": "synth",
    "polycrystal": "synth",
    "steel": "synth",
    "Annotated": "data.annotations",
    "Model": "models",
    "load_model": "models",
    "save_model": "models",
    "export_onnx": "models.onnx_file",
    "import_onnx": "models.onnx_file",
    "shipped_models": "models.shipped",
    "export_zoo": "models.zoo",
    "import_zoo": "models.zoo",
    "train_segmenter": "train.segmenter",
    "Segmentation": "predict.segment",
    "segment": "predict.segment",
    "LargeSegmentation": "predict.large",
    "segment_large": "predict.large",
    "where_to_annotate": "predict.uncertainty",
    "Batch": "batch",
    "segment_files": "batch",
    "sureness_of_image": "batch",
    "write_segmentation": "batch",
    "measure_objects": "measure.objects",
    "measure_shapes": "measure.shapes",
    "GrainSize": "measure.grain_size",
    "GrainSizeConfig": "config",
    "grain_size": "measure.grain_size",
    "particle_statistics": "measure.particles",
    "phase_statistics": "measure.phase_statistics",
    "with_twins": "measure.twins",
    "without_twin_boundaries": "measure.twins",
    "find_segments": "measure.segments",
    "domain_gap": "predict.gap",
    "look_like": "predict.resemblance",
    "measure_look": "predict.resemblance",
    "AdaptConfig": "config.adapting",
    "adapt": "train.adapting",
    "count_objects": "measure.editing",
    "select_objects": "measure.editing",
    "delete_objects": "measure.editing",
    "merge_objects": "measure.editing",
    "remove_regions": "measure.regions",
    "annotation_of_objects": "measure.feedback",
    "ClassifierTrainConfig": "config",
    "ClassifyConfig": "config",
    "collect": "data.gathering",
    "Classifier": "models",
    "load_classifier": "models",
    "save_classifier": "models",
    "open_model": "models",
    "train_classifier": "train.classifier",
    "cross_validate": "train.cross_validation",
    "classify": "predict.classify",
    "evaluate": "predict.judging",
    "ClassifierConfig": "config",
    "LabConfig": "config",
    "build_classifier": "nets",
    "layers": "nets",
    "receptive_fields": "nets",
    "ExplainConfig": "config",
    "Explanation": "explain.explanation",
    "explain_class": "explain.explanation",
    "sanity_of": "explain.explanation",
    "Sight": "explain.sight",
    "field_of_view": "explain.receptive",
    "field_warnings": "explain.receptive",
    "activation_map": "explain.activations",
    "filters": "explain.activations",
    "excite": "explain.excite",
    "heat_outside": "explain.trust",
    "translation_test": "explain.translation",
    "grad_cam": "explain.gradcam",
    "Target": "explain.target",
    "kernel": "explain.kernels",
    "convolve": "explain.kernels",
    "pool": "explain.kernels",
}

__all__ = sorted([*_HOME, "__version__"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name, or a part of the package, when it is first asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-microcnn")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
