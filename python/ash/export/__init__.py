"""Exports trained models for use elsewhere: as a PyTorch module, ONNX graph, C++ header or scikit-learn pipeline.

    model --describe()--> Description --+--> torch_module.py      a module that can be trained further
                    (description.py)    +--> onnx.py              a graph from cells to labels, for any runtime
                                        +--> cpp.py               one header without dependencies, for any compiler
                                        +--> sklearn_pipeline.py  a pipeline that does not need ash

Only description.py reads models; each format reads a Description. The export methods of a model (ash/models/model.py)
import a format only when they are called, so ash itself does not need the packages of the formats.
"""
