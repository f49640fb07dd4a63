import bookings.models
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """What guests read about a hotel and a category. The release before knows neither."""

    dependencies = [
        ('bookings', '0021_missing_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='CategoryContent',
            fields=[
                ('category', models.OneToOneField(db_column='_id', on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='content', serialize=False, to='bookings.roomcategory')),
                ('description', bookings.models.TextsField(blank=True, default=dict, help_text='What guests read first: <em>Large rooms with a view of the lake.</em>', max_length=5000)),
                ('size_m2', models.PositiveSmallIntegerField(blank=True, help_text='In square metres, such as 24.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(2000)], verbose_name='size')),
                ('beds', models.JSONField(blank=True, default=dict)),
                ('amenities', models.JSONField(blank=True, default=list)),
                ('adults', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='maximum adults')),
                ('children', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='maximum children')),
            ],
            options={
                'verbose_name': 'category content',
                'verbose_name_plural': 'category content',
                'db_table': 'category_contents',
                'ordering': ['category'],
                'default_permissions': ('add', 'change', 'view'),
            },
        ),
        migrations.CreateModel(
            name='HotelContent',
            fields=[
                ('hotel', models.OneToOneField(db_column='_id', on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='content', serialize=False, to='bookings.hotel')),
                ('description', bookings.models.TextsField(blank=True, default=dict, help_text='What guests read first: <em>A quiet house by the park, with 20 rooms.</em>', max_length=5000)),
                ('amenities', models.JSONField(blank=True, default=list)),
                ('street', models.CharField(blank=True, help_text='Such as Lindenstrasse 12.', max_length=200)),
                ('postal_code', models.CharField(blank=True, max_length=16)),
                ('city', models.CharField(blank=True, max_length=100)),
                ('country', models.CharField(blank=True, max_length=2)),
                ('map_url', models.CharField(blank=True, help_text='Begins with https://, such as the address that a map’s Share button gives you.', max_length=1000, verbose_name='link to a map')),
                ('directions', bookings.models.TextsField(blank=True, default=dict, help_text='How guests get to you: <em>From the main station, take bus 100 to Linden.</em>', max_length=5000)),
                ('phone', models.CharField(blank=True, help_text='Such as +49 30 1234567.', max_length=40, verbose_name='telephone')),
                ('email', models.CharField(blank=True, help_text='Where guests write to.', max_length=254, verbose_name='e-mail')),
                ('house_rules', bookings.models.TextsField(blank=True, default=dict, help_text='What guests have to know: <em>Please be quiet from 22:00 to 7:00.</em>', max_length=5000)),
                ('arrival', bookings.models.TextsField(blank=True, default=dict, help_text='Check-in and check-out in words: <em>After 20:00 the key is in the box beside the door.</em> The times themselves are part of the hotel.', max_length=5000, verbose_name='arrival and departure')),
                ('terms', bookings.models.TextsField(blank=True, default=dict, help_text='What guests agree to.', max_length=30000, verbose_name='terms and conditions')),
                ('privacy', bookings.models.TextsField(blank=True, default=dict, help_text='What you do with guests’ data.', max_length=30000, verbose_name='privacy notice')),
                ('imprint', bookings.models.TextsField(blank=True, default=dict, help_text='Who runs this hotel: name, address, register, representatives.', max_length=5000)),
            ],
            options={
                'verbose_name': 'hotel content',
                'verbose_name_plural': 'hotel content',
                'db_table': 'hotel_contents',
                'ordering': ['hotel'],
                'default_permissions': ('add', 'change', 'view'),
            },
        ),
    ]
