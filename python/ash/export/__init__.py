"""A trained model for those who serve it elsewhere: PyTorch, ONNX, a C++ header, scikit-learn.

    model --describe()--> Description --+--> torch_module.py      a module that goes on training
                    (description.py)    +--> onnx.py              a graph from cells to labels, for any runtime
                                        +--> cpp.py               one header without dependencies, for any compiler
                                        +--> sklearn_pipeline.py  a pipeline that needs no ash

Only description.py reads models; each format reads a Description. The methods of a model (ash/models/model.py)
import a format when it is asked for, so ash itself needs no package of theirs.
"""
