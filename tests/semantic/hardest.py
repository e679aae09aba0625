"""Hard questions to the metrics, each beside the query that somebody would write.

Ratios over joins, people counted once over joins, figures of the last day of a period,
cohorts, and figures of several facts. The plain queries read the published tables and
know nothing of the semantic layer.
"""

from dataclasses import dataclass

_SALES = (
    "(select *, row_number() over (partition by unified_user_id order by ordered_at,"
    " order_id) as nth, min(ordered_on) over (partition by unified_user_id) as first_on"
    " from marts.fct_orders where status = 'completed' and not is_return"
    " and net_amount > 0)"
)
_NEWEST = "(select * from features.feat_users where ds = date '2026-03-31')"
_LAST = (
    "(select * from features.feat_users where ds in (select max(ds) from"
    " features.feat_users group by date_trunc('month', ds)))"
)
_TIERS = "(select * from segments.user_tiers where ds = date '2026-03-31')"


@dataclass(frozen=True)
class Question:
    """Metrics by groups; ``plain`` gives the groups and figures in the same order."""

    metrics: str
    by: str
    plain: str

    @property
    def name(self) -> str:
        return f"{self.metrics} by {self.by or 'nothing'}"


HARDEST = [
    Question(
        "aov",
        "user__region,month",
        "select u.region, date_trunc('month', o.ordered_on)::date,"
        " sum(o.net_amount)::double / nullif(count(*) filter (o.net_amount > 0 and not"
        " o.is_return), 0) from marts.fct_orders o left join (from marts.dim_users where is_current) u"
        " using (unified_user_id) where o.status = 'completed' group by all",
    ),
    Question(
        "arpu",
        "month",
        "select m, r::double / a from (select date_trunc('month', ordered_on)::date m,"
        " sum(net_amount) r from marts.fct_orders where status = 'completed' group by 1)"
        " join (select date_trunc('month', event_on)::date m,"
        " count(distinct unified_user_id) a from marts.fct_events group by 1) using (m)",
    ),
    Question(
        "arpu_365d",
        "quarter",
        "select date '2026-01-01', sum(net_amount_365d)::double / count(*)"
        f" from {_NEWEST}",
    ),
    Question(
        "arppu",
        "user__tier",
        "select t.tier, sum(o.net_amount)::double / nullif(count(distinct case when not"
        " o.is_return and o.net_amount > 0 then o.unified_user_id end), 0)"
        " from marts.fct_orders o left join (select d.unified_user_id, tier from"
        f" (from marts.dim_users where is_current) d left join {_TIERS} using (unified_user_id)) t"
        " using (unified_user_id) where o.status = 'completed' group by all",
    ),
    Question(
        "conversion_rate",
        "touchpoint",
        "select touchpoint, b::double / a from (select touchpoint,"
        f" count(distinct unified_user_id) b from {_SALES} group by 1) full join"
        " (select touchpoint, count(distinct unified_user_id) a from marts.fct_events"
        " group by 1) using (touchpoint)",
    ),
    Question(
        "repurchase_rate",
        "month",
        "select date_trunc('month', ds)::date, (count(*) filter (order_count_365d >= 2))"
        f"::double / count(*) filter (order_count_365d >= 1) from {_LAST} group by 1",
    ),
    Question(
        "retention_rate",
        "user_day__region",
        "select region, (count(*) filter (active_days_90d > 0 and active_days_prior_90d"
        " > 0))::double / count(*) filter (active_days_prior_90d > 0)"
        f" from {_NEWEST} group by 1",
    ),
    Question(
        "churn_rate",
        "user__gender",
        "select u.gender, (count(*) filter (active_days_90d = 0 and active_days_prior_90d"
        f" > 0))::double / count(*) filter (active_days_prior_90d > 0) from {_NEWEST} f"
        " left join (from marts.dim_users where is_current) u using (unified_user_id) group by 1",
    ),
    Question(
        "users",
        "month",
        f"select date_trunc('month', ds)::date, count(*) from {_LAST} group by 1",
    ),
    Question("users", "", f"select count(*) from {_NEWEST}"),
    Question(
        "stickiness",
        "week,user_day__tier",
        "select date_trunc('week', f.ds)::date, t.tier, (count(*) filter"
        " (active_days_7d > 0))::double / nullif(count(*) filter (active_days_30d > 0),"
        " 0) from features.feat_users f left join segments.user_tiers t on"
        " f.unified_user_id = t.unified_user_id and f.ds = t.ds where f.ds in (select"
        " max(ds) from features.feat_users group by date_trunc('week', ds))"
        " group by all",
    ),
    Question(
        "ltv",
        "month",
        "select date_trunc('month', ds)::date, avg(value) from segments.scores where"
        " score_name = 'clv_365d' and ds in (select max(ds) from features.feat_users"
        " group by date_trunc('month', ds)) group by 1",
    ),
    Question(
        "cac",
        "month",
        "select m, c::double / b from (select date_trunc('month', spent_on)::date m,"
        " sum(cost) c from marts.fct_ad_costs group by 1) join (select"
        f" date_trunc('month', first_order_on)::date m, count(*) b from {_NEWEST}"
        " semi join (from marts.dim_users where is_current) using (unified_user_id)"
        " where first_order_on is not null group by 1) using (m)",
    ),
    Question(
        "ltv_to_cac",
        "",
        "select (select avg(value) from segments.scores where ds = date '2026-03-31')"
        " / ((select sum(cost)::double from marts.fct_ad_costs) / (select count(*) from"
        f" {_NEWEST} semi join (from marts.dim_users where is_current) using (unified_user_id)"
        " where first_order_on is not null))",
    ),
    Question(
        "roas",
        "campaign",
        "select campaign, r::double / c from (select campaign, sum(net_amount) r from"
        " marts.fct_orders where status = 'completed' group by 1) o full join (select"
        " campaign, sum(cost) c from marts.fct_ad_costs group by 1) a"
        " using (campaign)",
    ),
    Question(
        "nps",
        "user__gender",
        "select u.gender, 100.0 * (count(*) filter (nps >= 9) - count(*) filter"
        " (nps <= 6)) / nullif(count(nps), 0) from marts.fct_feedback f left join"
        " (from marts.dim_users where is_current) u using (unified_user_id) group by 1",
    ),
    Question(
        "buyers",
        "user__first_order_on__month,months_since_first",
        "select date_trunc('month', s.first_order_on)::date, date_diff('month',"
        " o.first_on, o.ordered_on), count(distinct case when o.is_sale then"
        " o.unified_user_id end) from (select *, not is_return and net_amount > 0"
        " is_sale, min(case when not is_return and net_amount > 0 then ordered_on end)"
        " over (partition by unified_user_id) f, case when unified_user_id is not null"
        " and ordered_on >= f then f end first_on from marts.fct_orders where"
        f" status = 'completed') o left join (select f.* from {_NEWEST} f semi join"
        " (from marts.dim_users where is_current) using (unified_user_id)) s using (unified_user_id)"
        " group by all",
    ),
    Question(
        "revenue",
        "user__first_order_on__month,month",
        "select date_trunc('month', s.first_order_on)::date, date_trunc('month',"
        " o.ordered_on)::date, sum(o.net_amount) from marts.fct_orders o left join"
        f" (select f.* from {_NEWEST} f semi join (from marts.dim_users where is_current) using"
        " (unified_user_id)) s using (unified_user_id) where o.status = 'completed'"
        " group by all",
    ),
    Question(
        "returning_buyer_rate",
        "month",
        "select date_trunc('month', ordered_on)::date, (count(distinct unified_user_id)"
        " filter (nth > 1))::double / count(distinct unified_user_id)"
        f" from {_SALES} group by 1",
    ),
    Question(
        "line_buyers",
        "category,user__tier",
        "select l.category, t.tier, count(distinct case when l.status = 'completed' and"
        " not l.is_return then l.unified_user_id end) from marts.fct_order_lines l"
        " left join (select d.unified_user_id, tier from (from marts.dim_users where is_current) d left join"
        f" {_TIERS} using (unified_user_id)) t using (unified_user_id) group by all",
    ),
    Question(
        "line_orders",
        "is_first_sale",
        "select case when o.order_id is not null then coalesce(s.nth = 1 and"
        " s.unified_user_id is not null, false) end, count(distinct case when"
        " l.status = 'completed' and not l.is_return then l.order_id end)"
        " from marts.fct_order_lines l left join marts.fct_orders o on"
        " l.order_id = o.order_id and o.status = 'completed'"
        f" left join {_SALES} s on l.order_id = s.order_id group by 1",
    ),
    Question(
        "repeat_order_rate",
        "quarter",
        "select date_trunc('quarter', ordered_on)::date, (count(*) filter (nth > 1"
        " and unified_user_id is not null))::double / count(unified_user_id)"
        f" from {_SALES} group by 1",
    ),
    Question(
        "margin_rate",
        "touchpoint",
        "select touchpoint, sum(margin_amount)::double / sum(net_amount) filter"
        " (margin_amount is not null) from marts.fct_orders where status = 'completed'"
        " group by 1",
    ),
    Question(
        "net_margin,contact_rate",
        "month",
        "select m, g - c, t::double / n from (select date_trunc('month', ordered_on)"
        "::date m, sum(margin_amount)::double g, count(*) filter (not is_return and"
        " net_amount > 0) n from marts.fct_orders where status = 'completed' group by 1)"
        " join (select date_trunc('month', spent_on)::date m, sum(cost)::double c from"
        " marts.fct_ad_costs group by 1) using (m) join (select date_trunc('month',"
        " opened_on)::date m, count(*) t from marts.fct_tickets group by 1) using (m)",
    ),
]
