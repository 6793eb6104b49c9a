"""What the audits of scores and of pipelines share: parts, rows, controls, one rule, and one judge."""

from upcycle.audit.verdict._controls import LEAST_ON_A_SIDE, halves, negative, positive, shuffled
from upcycle.audit.verdict._flat import ControlDocument, RowDocument, flat_control, flat_row, plain
from upcycle.audit.verdict._judge import Evidence, judge
from upcycle.audit.verdict._part import Part, Role
from upcycle.audit.verdict._row import Control, ExactTest, Row, Wanted
from upcycle.audit.verdict._rows import ONE, TOGETHER, TWICE, Attacked, adjust, make_row
from upcycle.audit.verdict._rule import CHANCE, FPR, LOW_FPR, MARGINS, Endpoint, Rule, Statistic
from upcycle.audit.verdict._word import Judged, Verdict, Word, headline
