from .checkpoint import Checkpoint as Checkpoint
from .checkpoint import find_checkpoint as find_checkpoint
from .config import ModelConfig as ModelConfig
from .config import TrainConfig as TrainConfig
from .config import load_config as load_config
from .decision import decide as decide
from .decision import decide_with_confidence as decide_with_confidence
from .evaluation.metrics import ConfusionMatrix as ConfusionMatrix
from .evaluation.scoring import evaluate as evaluate
from .loss import hierarchical_loss as hierarchical_loss
from .loss import loss_weights as loss_weights
from .models.backbones import BACKBONES as BACKBONES
from .models.backbones import build_backbone as build_backbone
from .models.heads import HierarchicalHead as HierarchicalHead
from .models.network import SegmentationNet as SegmentationNet
from .models.network import build_network as build_network
from .models.network import upsample as upsample
from .optim import ExponentialMovingAverage as ExponentialMovingAverage
from .prediction import predict as predict
from .progress import ConsoleProgress as ConsoleProgress
from .segmenter import Segmenter as Segmenter
from .tables import TableTensors as TableTensors
from .training import train as train

__all__: list[str]
