"""Exports of a trained model for serving it elsewhere: PyTorch, ONNX, a C++ header, scikit-learn.

    model --describe()--> Description --+--> torch_module.py      a module that can be trained further
                    (description.py)    +--> onnx.py              a graph from cells to labels, for any runtime
                                        +--> cpp.py               one header without dependencies, for any compiler
                                        +--> sklearn_pipeline.py  a pipeline that needs no ash

Only description.py reads models; each format reads a Description. The methods of a model (ash/models/model.py) import a
format only when it is asked for, so ash itself does not need the packages of the formats.
"""
