-- Failed logins by account, the most first. Where the system tells of one, the account that failed is in
-- the message alone.
select coalesce(
         regexp_match(message, 'name="?([^", ]+)')[1],
         regexp_match(message, ' of ([^ ]+@[^ ]+)$')[1],
         account) as who,
       account as told_by, count(*) as failures,
       min("occurredOn") as first, max("occurredOn") as last
from nexthink_audit_event
where action in ('failed-login', 'lock')
group by 1, 2
order by failures desc, last desc
