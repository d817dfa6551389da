-- Queries that our program and DuckDB answer on the same files. `{device}` and `{package}` are keys.

-- count of devices
select count(*) n from nexthink_device

-- devices by operating system
select osName, count(*) n from nexthink_device group by 1 order by 2 desc, 1

-- devices that are silent
select name from nexthink_device where lastSeenOn < now() - interval '14 days' order by lastSeenOn, name limit 100

-- name contains a text
select name, entity from nexthink_device where name like '%42%' order by 1 limit 100

-- packages by publisher
select publisher, count(*) n from nexthink_package group by 1 order by 2 desc, 1

-- 20 most frequent packages
select _toEntityKey, count(*) n from nexthink_device_installed_package group by 1 order by 2 desc, 1 limit 20

-- 20 most frequent packages by name
select p.name, count(*) n from nexthink_device_installed_package i join nexthink_package p on p._key = i._toEntityKey group by 1 order by 2 desc, 1 limit 20

-- packages of a device
select p.name, p.version from nexthink_device_installed_package i join nexthink_package p on p._key = i._toEntityKey where i._fromEntityKey = '{device}' order by 1, 2

-- devices of a package
select count(*) n, min(d.name) name from nexthink_device_installed_package i join nexthink_device d on d._key = i._fromEntityKey where i._toEntityKey = '{package}'

-- devices with a product
select count(distinct i._fromEntityKey) n from nexthink_device_installed_package i join nexthink_package p on p._key = i._toEntityKey where p.name like '%Chrome%'

-- devices without a product
select count(*) n from nexthink_device d where not exists (select 1 from nexthink_device_installed_package i join nexthink_package p on p._key = i._toEntityKey where i._fromEntityKey = d._key and p.name like '%Chrome%')

-- devices by number of packages
select packages, count(*) n from (select _fromEntityKey, count(*) packages from nexthink_device_installed_package group by 1) per_device group by 1 order by 1
