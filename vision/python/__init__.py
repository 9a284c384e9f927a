"""The Python front door: what ``vision.fit`` and its neighbors are.

From folders of photos, one for each class, to a model. The data choose what is not given, as in ``vision train
photos``, which prints what it chose and why:

>>> import vision
>>> result = vision.fit("photos", epochs=2)
>>> result.metrics["accuracy"] <= 1
True
>>> result.proposal.algorithm, result.proposal.settings["hp.num_layers"]
('image_classification', '20')

A notebook shows ``result``, ``result.evaluation`` and ``result.report`` as they are; pictures and data frames of them
are a call away:

>>> curves, confusions = result.plot(), result.evaluation.plot()
>>> result.to_pandas()["epoch"].tolist()
[1, 2]

The model answers about paths, bytes, arrays and images of Pillow:

>>> best = result.model.predict("photos/validation/green/0.png")[0]
>>> best.label in ("blue", "green", "red")
True
>>> 0 <= best.score <= 1
True
>>> drawn = best.plot()

Later, and elsewhere, it is loaded from the run's folder:

>>> model = vision.load(result.folder.path)
>>> model.class_names
('blue', 'green', 'red')
>>> evaluation = vision.evaluate(result.folder.path)
>>> evaluation.num_images
12

A short training finds a learning rate:

>>> curve = vision.find_rate("photos", updates=20)
>>> len(curve.rates)
20

What the model has learned also finds photos that look alike, copies among them, and those worth a label:

>>> indexed = vision.index("photos", model=result.folder.path, output="index")
>>> len(vision.search("index", "photos/validation/green/0.png", top=3)[0].found)
3
>>> copies = vision.duplicates("index")
>>> chosen = vision.label_select("photos/train", model=result.folder.path, output="to-label", count=4)
>>> len(chosen.chosen)
4

With an algorithm and channels all else begins at SageMaker's documented defaults:

>>> documented = vision.fit(
...     "image_classification",
...     {"train": "photos/train", "validation": "photos/validation"},
...     num_layers=20,
...     image_shape=(3, 32, 32),
...     resize=32,
...     epochs=1,
...     mini_batch_size=8,
... )
>>> documented.proposal is None
True

What a user can mend is a sentence:

>>> try:
...     vision.load("photos")
... except vision.UserError as error:
...     print(str(error).partition(";")[0])
photos is no model (it holds train, validation)
"""

from __future__ import annotations

from vision.python.evaluation import compare, evaluate
from vision.python.image_search import duplicates, index, search
from vision.python.label import label_select
from vision.python.model import load
from vision.python.rate import find_rate
from vision.python.training import cross_validate, fit
from vision.python.video import watch

__all__ = [
    "compare",
    "cross_validate",
    "duplicates",
    "evaluate",
    "find_rate",
    "fit",
    "index",
    "label_select",
    "load",
    "search",
    "watch",
]
